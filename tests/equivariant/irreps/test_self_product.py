"""Many-body products of a function with itself."""

import pytest
import torch

from geokit.equivariant.irreps.gaunt import gaunt_product
from geokit.equivariant.irreps.self_product import SelfProduct
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations
from tests.reference import irreps as reference


def test_equals_repeated_products():
    torch.manual_seed(0)
    module = SelfProduct(3, degree=2, result=3, order=4).double()
    with torch.no_grad():
        module.weight.normal_()
    coefficients = torch.randn(5, 3, 9, dtype=torch.float64)
    power, wanted = coefficients, torch.zeros(5, 3, 16, dtype=torch.float64)
    for order, weight in enumerate(module.weight, start=1):
        if order > 1:
            power = gaunt_product(power, coefficients, 2 * order)
        padded = torch.nn.functional.pad(power, (0, 7))[..., :16]
        wanted += padded * weight[:, module.degrees]
    torch.testing.assert_close(module(coefficients), wanted)
    single = module.float()(coefficients.float())
    assert (single - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_equivariance_and_gradients():
    module = SelfProduct(2, degree=2, result=2, order=3).double()
    rotation = -random_rotations(1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))[0]
    turn = reference.rotation_of_coefficients(2, rotation).T
    coefficients = torch.randn(2, 2, 9, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(module(coefficients @ turn), module(coefficients) @ turn)
    assert torch.autograd.gradcheck(module, (coefficients,))
    assert torch.autograd.gradgradcheck(module, (coefficients,))


def test_compiles_and_exports():
    module, coefficients = SelfProduct(3, 2, 2, 3), torch.randn(4, 3, 9)
    torch.testing.assert_close(
        torch.compile(module, fullgraph=True, backend="aot_eager")(coefficients), module(coefficients)
    )
    program = torch.export.export(module, (coefficients,)).module()
    torch.testing.assert_close(program(coefficients), module(coefficients))


def test_refusals():
    with pytest.raises(InvalidInput, match="order"):
        SelfProduct(3, 2, 2, 0)
    with pytest.raises(InvalidInput, match="degree 2"):
        SelfProduct(3, 2, 2, 2)(torch.randn(4, 3, 16))
