"""The two layouts of coefficients."""

import pytest
import torch

from geokit.equivariant.irreps.layout import e3nn_irreps, from_e3nn, to_e3nn
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations
from tests.reference import irreps as reference


def test_there_and_back():
    coefficients = torch.randn(2, 3, 5, 16)
    features = to_e3nn(coefficients)
    assert features.shape == (2, 3, 80)
    assert torch.equal(from_e3nn(features, 5), coefficients)
    assert torch.equal(features[..., 5:20].unflatten(-1, (5, 3)), coefficients[..., 1:4])


@pytest.mark.parametrize("pseudo", [False, True])
def test_rotates_as_the_irreps_of_e3nn(pseudo):
    pytest.importorskip("e3nn")
    irreps = e3nn_irreps(4, 5, pseudo)
    rotation = random_rotations(1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))[0]
    coefficients = torch.randn(3, 4, 36, dtype=torch.float64)
    turned = coefficients @ reference.rotation_of_coefficients(5, rotation).T
    matrix = irreps.D_from_matrix(rotation.double())
    torch.testing.assert_close(to_e3nn(turned), to_e3nn(coefficients) @ matrix.T, rtol=0, atol=1e-5)
    sign = -1 if pseudo else 1
    assert [block.ir.p for block in irreps] == [sign * (-1) ** l for l in range(6)]


def test_refusals():
    with pytest.raises(InvalidInput, match="5 \\(L"):
        from_e3nn(torch.randn(2, 21), 5)
    with pytest.raises(InvalidInput, match="coefficients"):
        to_e3nn(torch.randn(2, 4, 5))
