"""The Gaunt product by all its routes."""

import pytest
import torch

from geokit.equivariant.irreps.gaunt import GauntProduct, gaunt_product
from geokit.equivariant.irreps.harmonics import spherical_harmonics
from geokit.equivariant.irreps.product_cost import fastest_route, route_costs
from geokit.equivariant.irreps.product_plan import ROUTES
from geokit.equivariant.irreps.sphere_product import _product, _product_backward
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations
from tests.reference import irreps as reference

GAUNT_ROUTES = ROUTES["gaunt"]


def factors(degree1: int, degree2: int, count: int = 5, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(degree1)
    return [torch.randn(count, (d + 1) ** 2, generator=generator, dtype=dtype) for d in (degree1, degree2)]


@pytest.mark.parametrize("degrees", [(0, 0, 0), (2, 2, 2), (1, 3, 4), (4, 4, 4), (4, 4, 2), (8, 8, 8)])
def test_equals_the_gaunt_coefficients_of_e3nn(degrees):
    pytest.importorskip("e3nn")
    first, second = factors(*degrees[:2])
    wanted = reference.gaunt_product(first, second, degrees[2])
    scale = wanted.abs().max()
    for route in GAUNT_ROUTES:
        assert (gaunt_product(first, second, degrees[2], route) - wanted).abs().max() < 1e-12 * scale
        single = gaunt_product(first.float(), second.float(), degrees[2], route)
        assert (single - wanted).abs().max() < 4e-6 * scale


@pytest.mark.parametrize("degree", [3, 12])
def test_is_the_product_of_the_functions(degree):
    first, second = factors(degree, degree)
    points = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = (first @ spherical_harmonics(degree, points).T) * (second @ spherical_harmonics(degree, points).T)
    for route in GAUNT_ROUTES:
        product = gaunt_product(first, second, 2 * degree, route)
        torch.testing.assert_close(product @ spherical_harmonics(2 * degree, points).T, wanted)


@pytest.mark.parametrize("degree", [4, 8, 20])
def test_equivariance(degree):
    rotation = random_rotations(1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))[0]
    turn = reference.rotation_of_coefficients(degree, rotation).T
    first, second = factors(degree, degree)
    for route in ("fastest", "full", "halved", "separable") if degree > 10 else GAUNT_ROUTES:
        for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
            before = gaunt_product((first @ turn).to(dtype), (second @ turn).to(dtype), degree, route)
            after = gaunt_product(first.to(dtype), second.to(dtype), degree, route).double() @ turn
            assert (before - after).abs().max() < bound * after.abs().max()


@pytest.mark.parametrize("route", GAUNT_ROUTES)
def test_first_and_second_gradients(route):
    first, second = factors(2, 1, 2)
    arguments = first.requires_grad_(), second.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: gaunt_product(a, b, 2, route), arguments)
    assert torch.autograd.gradgradcheck(lambda a, b: gaunt_product(a, b, 2, route), arguments)


@pytest.mark.parametrize("kind", ["gaunt", "bracket"])
def test_opcheck(kind):
    first, second = (t.requires_grad_() for t in factors(2, 3, 4))
    torch.library.opcheck(_product, (first, second, 2, kind, "halved"))
    torch.library.opcheck(_product_backward, (first, second, torch.randn_like(first), kind, "full"))


def test_rows_in_several_pieces_are_the_rows_alone():
    first, second = factors(6, 6, 700)
    for route in ("full", "halved", "separable"):
        together = gaunt_product(first, second, 6, route)
        torch.testing.assert_close(together[640:], gaunt_product(first[640:], second[640:], 6, route))


def test_leading_dimensions_broadcast():
    first, second = factors(2, 3, 6)
    product = gaunt_product(first.view(2, 3, 9), second.view(2, 3, 16)[:, :1], 4)
    wanted = gaunt_product(first, second.view(2, 3, 16)[:, :1].expand(2, 3, 16).reshape(6, 16), 4)
    torch.testing.assert_close(product, wanted.view(2, 3, 25))
    assert gaunt_product(first[0], second[0], 1).shape == (4,)
    assert gaunt_product(first[:0], second[:0], 1).shape == (0, 4)


def test_the_constant_one_changes_nothing():
    first, _ = factors(5, 0)
    torch.testing.assert_close(gaunt_product(first, torch.ones(5, 1, dtype=torch.float64), 5), first)


@pytest.mark.parametrize("antisymmetric", [False, True])
def test_module_weights_degrees_and_channels(antisymmetric):
    module = GauntProduct(4, 2, 3, 4, antisymmetric).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(3))
    first, second = (t.view(3, 4, -1) for t in factors(2, 3, 12))
    rotation = random_rotations(1, dtype=torch.float64, generator=torch.Generator().manual_seed(4))[0]
    turns = [reference.rotation_of_coefficients(d, rotation).T for d in (2, 3, 4)]
    torch.testing.assert_close(module(first @ turns[0], second @ turns[1]), module(first, second) @ turns[2])
    module(first, second).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().min() > 0 for parameter in module.parameters())


def test_compiles_and_exports():
    module = GauntProduct(3, 2, 2, 3, antisymmetric=True)
    first, second = (t.view(2, 3, 9) for t in factors(2, 2, 6, torch.float32))
    torch.testing.assert_close(torch.compile(module, fullgraph=True)(first, second), module(first, second))
    program = torch.export.export(module, (first, second)).module()
    torch.testing.assert_close(program(first, second), module(first, second))


def test_cost_model_chooses_among_all_routes():
    assert fastest_route("gaunt", (2, 2, 2)) == "full"
    assert fastest_route("gaunt", (20, 20, 20)) == "separable"
    assert fastest_route("gaunt", (50, 50, 50)) == "separable"  # beyond the Lebedev rules
    assert set(route_costs("gaunt", (3, 3, 3))) == set(GAUNT_ROUTES) - {"fastest"}


def test_refusals():
    first, second = factors(2, 2)
    for call, words in (
        (lambda: gaunt_product(first[:, :8], second, 2), "first must be"),
        (lambda: gaunt_product(first.float(), second, 2), "float32, or both float64"),
        (lambda: gaunt_product(first, second, -1), "0 or more"),
        (lambda: gaunt_product(first, second, 2, "fft"), "fastest, full"),
    ):
        with pytest.raises(InvalidInput, match=words):
            call()
