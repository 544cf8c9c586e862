"""Conversions between functional maps and maps between vertices."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.conversions import functional_map_of, point_to_point
from tests.spectral.asymmetric import permuted_pair


@pytest.fixture(scope="module")
def pair():
    return permuted_pair()


def test_permuted_copy_gives_the_exact_permutation(pair):
    shape1, shape2, p2p = pair
    functional_map = functional_map_of(p2p, shape1.basis, shape2.basis)
    for adjoint in (False, True):
        assert torch.equal(point_to_point(functional_map, shape1.basis, shape2.basis, adjoint=adjoint), p2p)


def test_map_of_the_identity_is_the_identity(pair):
    shape = pair[0]
    functional_map = functional_map_of(torch.arange(len(shape)), shape.basis, shape.basis)
    torch.testing.assert_close(functional_map, torch.eye(40, dtype=torch.float64), atol=1e-10, rtol=0)


def test_map_of_an_isometry_is_orthogonal_and_its_inverse_is_its_transpose(pair):
    shape1, shape2, p2p = pair
    forward = functional_map_of(p2p, shape1.basis, shape2.basis)
    backward = functional_map_of(p2p.argsort(), shape2.basis, shape1.basis)
    torch.testing.assert_close(forward.T @ forward, torch.eye(40, dtype=torch.float64), atol=1e-8, rtol=0)
    torch.testing.assert_close(backward, forward.T, atol=1e-8, rtol=0)


def test_too_large_map_and_indices_out_of_range_are_told(pair):
    shape1, shape2, p2p = pair
    with pytest.raises(InvalidInput, match="eigenfunctions"):
        point_to_point(torch.eye(50, dtype=torch.float64), shape1.basis, shape2.basis)
    with pytest.raises(InvalidInput, match="exchanged"):
        functional_map_of(p2p + 1, shape1.basis, shape2.basis)
