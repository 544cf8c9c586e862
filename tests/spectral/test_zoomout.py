"""ZoomOut."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.conversions import functional_map_of
from geokit.spectral.zoomout import fit_samples, growing_sizes, sample_masses, zoomout, zoomout_samples
from tests.spectral.asymmetric import permuted_pair


@pytest.fixture(scope="module")
def pair():
    return permuted_pair()


@pytest.mark.parametrize("sampled", [False, True])
def test_permuted_copy_gives_the_exact_permutation(pair, sampled):
    shape1, shape2, p2p = pair
    start = functional_map_of(p2p, shape1.basis.first(8), shape2.basis.first(8))
    samples = (p2p[:200], torch.arange(200)) if sampled else None
    grown, found = zoomout(start, shape1.basis, shape2.basis, stop=40, step=3, samples=samples)
    assert torch.equal(found, p2p)
    torch.testing.assert_close(grown, functional_map_of(p2p, shape1.basis, shape2.basis))


def test_batch_of_maps_gives_what_each_gives_alone(pair):
    shape1, shape2, _ = pair
    rows1, rows2 = shape1.basis.eigenvectors[::2], shape2.basis.eigenvectors[::3]
    maps = torch.randn(5, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sizes = growing_sizes((6, 6), 20, 4)
    grown, matches = zoomout_samples(maps, rows1, rows2, sizes)
    for i in range(len(maps)):
        alone, alone_matches = zoomout_samples(maps[i : i + 1], rows1, rows2, sizes)
        assert torch.equal(alone_matches[0], matches[i])
        torch.testing.assert_close(alone[0], grown[i])


def test_weighted_fit_is_the_weighted_least_squares_solution(pair):
    shape1, shape2, _ = pair
    generator = torch.Generator().manual_seed(1)
    rows1, rows2 = shape1.basis.eigenvectors[:100, :7], shape2.basis.eigenvectors[:50, :9]
    matches = torch.randint(100, (3, 50), generator=generator)
    weights = torch.rand(3, 50, generator=generator, dtype=torch.float64)
    for i, fitted in enumerate(fit_samples(matches, rows1, rows2, weights)):
        root = weights[i].sqrt()[:, None]
        wanted = torch.linalg.lstsq(root * rows2, root * rows1[matches[i]]).solution
        torch.testing.assert_close(fitted, wanted, rtol=1e-5, atol=1e-6)


def test_impossible_sizes_are_told(pair):
    shape1, shape2, _ = pair
    start = torch.eye(8, dtype=torch.float64)
    with pytest.raises(InvalidInput, match="compute more"):
        zoomout(start, shape1.basis, shape2.basis, stop=41)
    with pytest.raises(InvalidInput, match="cannot grow"):
        zoomout(start, shape1.basis, shape2.basis, stop=7)


def test_samples_have_the_area_around_them(pair):
    basis = pair[0].basis
    masses = sample_masses(basis, torch.arange(0, len(basis.masses), 3))
    torch.testing.assert_close(masses.sum(), basis.masses.sum())
    assert masses.min() > 0
    torch.testing.assert_close(sample_masses(basis, torch.arange(len(basis.masses))), basis.masses)
