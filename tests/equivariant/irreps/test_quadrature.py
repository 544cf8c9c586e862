"""Exact rules on the sphere."""

import pytest
import torch

from geokit.equivariant.irreps.harmonics import spherical_harmonics
from geokit.equivariant.irreps.quadrature import gauss_legendre, lebedev
from geokit.errors import InvalidInput


@pytest.mark.parametrize("degree", [0, 1, 6, 12, 25, 33, 60])
def test_rules_are_exact(degree):
    points, weights = (torch.from_numpy(array) for array in lebedev(degree))
    half = len(points) // 2
    assert torch.equal(points[:half], -points[half:])
    heights, weights_of, longitudes = gauss_legendre(degree)
    angles = 2 * torch.pi * torch.arange(longitudes, dtype=torch.float64) / longitudes
    height = torch.from_numpy(heights)[:, None].expand(-1, longitudes)
    ring = (1 - height.square()).sqrt()
    product = torch.stack([ring * angles.sin(), height, ring * angles.cos()], dim=-1).flatten(0, 1)
    weight = torch.from_numpy(weights_of)[:, None].expand(-1, longitudes).flatten() / longitudes
    for nodes, w in ((points, weights), (product, weight)):
        means = w @ spherical_harmonics(degree, nodes)
        means[0] -= 1
        assert means.abs().max() < 1e-13


def test_too_fine_is_told():
    with pytest.raises(InvalidInput, match="131"):
        lebedev(132)
