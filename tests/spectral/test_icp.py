"""Iterative closest points among eigenfunctions."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.conversions import functional_map_of
from geokit.spectral.icp import spectral_icp
from tests.spectral.asymmetric import permuted_pair


def test_a_noisy_map_of_a_permuted_copy_becomes_exact_and_orthogonal():
    shape1, shape2, p2p = permuted_pair()
    exact = functional_map_of(p2p, shape1.basis, shape2.basis)
    noise = torch.randn(40, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    refined, found = spectral_icp(exact + 0.03 * noise, shape1.basis, shape2.basis)
    assert torch.equal(found, p2p)
    torch.testing.assert_close(refined, exact, atol=1e-6, rtol=0)
    with pytest.raises(InvalidInput, match="iterations"):
        spectral_icp(exact, shape1.basis, shape2.basis, iterations=0)
