"""Collections: every pair once, finished pairs kept, failures told of."""

import os
import signal

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import save_mesh
from geokit.pipelines import match_collection as module
from geokit.pipelines.interrupt import Interrupted
from geokit.pipelines.match_collection import match_collection
from geokit.pipelines.match_folder import load_match
from tests.spectral.blobs import blob, permuted


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    mesh = blob(2)
    save_mesh(folder / "a.ply", mesh)
    for seed, name in enumerate("bc"):
        save_mesh(folder / f"{name}.ply", permuted(mesh, seed)[0])
    return [folder / f"{name}.ply" for name in "abc"]


@pytest.fixture
def counted(monkeypatch):
    """The pairs that are really matched, by size."""
    calls = []
    found = module.find_match

    def spy(*shapes, **options):
        calls.append(shapes)
        return found(*shapes, **options)

    monkeypatch.setattr(module, "find_match", spy)
    return calls


def test_every_pair_then_nothing_is_done_twice(collection, tmp_path, counted):
    summary = match_collection(collection, tmp_path)
    folders = {entry.name for entry in tmp_path.iterdir() if entry.is_dir()}
    assert folders == {"a__b", "a__c", "b__c", "eigenpairs"}
    assert len(list((tmp_path / "eigenpairs").iterdir())) == 3
    assert len(counted) == 3
    assert {id(shape) for shapes in counted for shape in shapes}.__len__() == 3  # operators once a shape
    old = permuted(blob(2), 1)[1]
    assert torch.equal(load_match(tmp_path / "a__c" / "match.npz")["p2p_21"], old)
    assert summary.table_file.read_text().count("\n") == 4
    assert summary.picture_file.exists()
    (tmp_path / "b__c" / "match.npz").write_bytes(b"cut short")
    again = match_collection(collection, tmp_path)
    assert len(counted) == 4
    assert again.kept == 2
    assert again.counted() == "1 pairs, 2 kept from before"
    assert set(again.reports) == set(summary.reports)


def test_to_a_template(collection, tmp_path):
    summary = match_collection(collection, tmp_path, template=collection[1])
    assert summary.pairs == [("b", "a"), ("b", "c")]


def test_a_stopped_run_goes_on(collection, tmp_path, counted, monkeypatch):
    found = module.find_match

    def stopping(*shapes):
        os.kill(os.getpid(), signal.SIGINT)
        return found(*shapes)

    monkeypatch.setattr(module, "find_match", stopping)
    with pytest.raises(Interrupted, match="1 of 3"):
        match_collection(collection, tmp_path)
    monkeypatch.setattr(module, "find_match", found)
    assert match_collection(collection, tmp_path).kept == 1
    assert len(counted) == 3


def test_a_shape_that_fails_leaves_the_others(collection, tmp_path):
    flat = tmp_path / "flat.ply"
    save_mesh(flat, Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])))
    summary = match_collection([*collection[:2], flat], tmp_path / "maps")
    assert set(summary.failures) == {("a", "flat"), ("b", "flat")}
    assert set(summary.reports) == {("a", "b")}
    assert "area" in summary.table_file.read_text()
    assert len(summary.as_json()["pairs"]) == 3


def test_what_is_refused(collection, tmp_path):
    match_collection(collection[:2], tmp_path)
    other = tmp_path / "a.ply"
    save_mesh(other, blob(2, seed=5))
    with pytest.raises(InvalidInput, match="other shapes"):
        match_collection([other, collection[1]], tmp_path)
    with pytest.raises(InvalidInput, match="twice"):
        match_collection([collection[0], collection[0]], tmp_path)
    with pytest.raises(InvalidInput, match="at least two"):
        match_collection(collection[:1], tmp_path)
