"""Maps of both directions refined together."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.bijective import bijective_zoomout, discrete_optimization
from geokit.spectral.conversions import functional_map_of
from tests.spectral.asymmetric import permuted_pair


@pytest.fixture(scope="module")
def pair():
    return permuted_pair()


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("method", [bijective_zoomout, discrete_optimization])
def test_permuted_copy_gives_the_permutation_and_its_inverse(pair, method, sampled):
    shape1, shape2, p2p = pair
    start = functional_map_of(p2p, shape1.basis.first(8), shape2.basis.first(8))
    samples = (torch.arange(0, 642, 2), torch.arange(0, 642, 3)) if sampled else None
    found = method(start, start.T.contiguous(), shape1.basis, shape2.basis, stop=40, step=4, samples=samples)
    assert torch.equal(found.p2p_21, p2p)
    assert torch.equal(found.p2p_12, torch.argsort(p2p))
    wanted = functional_map_of(p2p, shape1.basis, shape2.basis)
    torch.testing.assert_close(found.functional_map, wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.functional_map_21, wanted.T, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", [bijective_zoomout, discrete_optimization])
def test_a_right_map_back_mends_a_map_that_is_wrong(pair, method):
    shape1, shape2, p2p = pair
    start = functional_map_of(p2p, shape1.basis.first(12), shape2.basis.first(12))
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(0), dtype=start.dtype)
    wrong = start + 0.25 * noise
    found = method(wrong, start.T.contiguous(), shape1.basis, shape2.basis, stop=40, step=4)
    assert (found.p2p_21 == p2p).double().mean() > 0.98
    assert (found.p2p_12[found.p2p_21] == torch.arange(642)).double().mean() > 0.98


def test_energies_pull_a_map_towards_its_inverse_and_the_laplacians(pair):
    shape1, shape2, p2p = pair
    start = functional_map_of(p2p, shape1.basis.first(12), shape2.basis.first(12))
    wrong = p2p.roll(7)  # every match is wrong, so that the maps of the matches are far from each other's inverses
    bad = functional_map_of(wrong, shape1.basis.first(12), shape2.basis.first(12))
    options = {"stop": 16, "step": 4}
    maps = [
        discrete_optimization(bad, start.T.contiguous(), shape1.basis, shape2.basis, **options, **weights)
        for weights in ({"bijectivity": 0.0, "orthogonality": 0.0, "commutativity": 0.0}, {"bijectivity": 5.0})
    ]
    apart = [(found.functional_map @ found.functional_map_21 - torch.eye(16, dtype=bad.dtype)).norm() for found in maps]
    assert apart[1] < 0.8 * apart[0]


def test_maps_that_do_not_fit_are_told(pair):
    shape1, shape2, _ = pair
    start = torch.eye(8, dtype=torch.float64)
    with pytest.raises(InvalidInput, match="want \\(K2, K1\\)"):
        bijective_zoomout(start, start[:7], shape1.basis, shape2.basis, stop=20)
    with pytest.raises(InvalidInput, match="compute more"):
        bijective_zoomout(start, start, shape1.basis, shape2.basis, stop=41)
    with pytest.raises(InvalidInput, match="at least 0"):
        discrete_optimization(start, start, shape1.basis, shape2.basis, stop=20, bijectivity=-1.0)
