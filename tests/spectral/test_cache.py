"""Eigenpairs kept on disk."""

import os

import pytest
import torch

from geokit.spectral.cache import EigenCache, cache_folder
from geokit.spectral.eigen import eigenbasis
from tests.spectral.shapes_of_known_spectrum import bumpy


@pytest.fixture
def unsolvable(monkeypatch):
    """Called, it makes every further computation an error."""

    def forbid():
        def fail(*_):
            raise AssertionError("computed, not taken from the cache")

        monkeypatch.setattr("geokit.spectral.eigen._solve", fail)

    return forbid


def test_what_was_computed_is_found_again_also_fewer_of_it(tmp_path, unsolvable):
    laplacian = bumpy(3)
    whole = eigenbasis(laplacian, 40, cache=tmp_path)
    fresh = eigenbasis(laplacian, 25)
    unsolvable()
    again, fewer = eigenbasis(laplacian, 40, cache=tmp_path), eigenbasis(laplacian, 25, cache=tmp_path)
    assert torch.equal(again.eigenvectors, whole.eigenvectors)
    assert torch.equal(again.residuals, whole.residuals)
    assert torch.equal(fewer.eigenvalues, whole.eigenvalues[:25])
    torch.testing.assert_close(fewer.eigenvalues, fresh.eigenvalues, rtol=1e-9, atol=1e-9)
    assert float(fewer.residuals.max()) <= 1e-8


def test_more_pairs_replace_fewer_and_another_shape_is_another_file(tmp_path, unsolvable):
    laplacian, other = bumpy(2), bumpy(3)
    eigenbasis(laplacian, 10, cache=tmp_path)
    eigenbasis(laplacian, 30, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    eigenbasis(other, 10, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    unsolvable()
    assert len(eigenbasis(laplacian, 30, cache=tmp_path)) == 30
    with pytest.raises(AssertionError, match="computed"):
        eigenbasis(other, 11, cache=tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_damaged_files_are_told_of_and_replaced(tmp_path, damage, unsolvable):
    laplacian = bumpy(2)
    wanted = eigenbasis(laplacian, 20, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-5000] ^= 1
    path.write_bytes({"cut": content[:1000], "flipped": content, "other": b"hello", "empty": b""}[damage])
    with pytest.warns(UserWarning, match="damaged"):
        found = eigenbasis(laplacian, 20, cache=tmp_path)
    assert torch.equal(found.eigenvectors, wanted.eigenvectors)
    unsolvable()
    assert len(eigenbasis(laplacian, 20, cache=tmp_path)) == 20


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = EigenCache(tmp_path, limit=100_000)
    masses = torch.ones(1000, dtype=torch.float64)
    stiffness = bumpy(2).stiffness
    pairs = torch.zeros(5, dtype=torch.float64), torch.zeros(1000, 5, dtype=torch.float64), torch.zeros(5)
    for number in range(4):
        cache.save(stiffness, masses + number, pairs)
        path = cache.path(stiffness, masses + number)
        if path.exists():
            os.utime(path, (number + (10 if number == 0 else 0),) * 2)
    kept = [cache.path(stiffness, masses + number).exists() for number in range(4)]
    assert kept == [True, False, False, True]


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not kept"):
        assert len(eigenbasis(bumpy(2), 5, cache=tmp_path / "file" / "folder")) == 5


def test_the_usual_folder_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOKIT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    eigenbasis(bumpy(2), 5, cache=True)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.delenv("GEOKIT_CACHE")
    assert cache_folder().name == "geokit"
