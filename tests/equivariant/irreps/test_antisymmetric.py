"""The Poisson bracket: the paths that a pointwise product lacks."""

import pytest
import torch

from geokit.equivariant.irreps.antisymmetric import bracket_product
from geokit.equivariant.irreps.harmonics import degrees_of, spherical_harmonics
from geokit.geometry.rotations import random_rotations
from tests.reference import irreps as reference


def factors(degree1: int, degree2: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, (d + 1) ** 2, generator=generator, dtype=torch.float64) for d in (degree1, degree2)]


def test_is_the_bracket_of_the_functions():
    first, second = factors(4, 3)
    points = torch.nn.functional.normalize(torch.randn(30, 3, dtype=torch.float64), dim=1).requires_grad_()

    def gradient(coefficients):
        values = (spherical_harmonics((len(coefficients) ** 0.5).__int__() - 1, points) @ coefficients).sum()
        return torch.autograd.grad(values, points)[0]

    for route in ("fastest", "full", "halved"):
        bracket = bracket_product(first, second, 7, route) @ spherical_harmonics(7, points.detach()).T
        wanted = [torch.linalg.det(torch.stack([points, gradient(f), gradient(g)], 1)) for f, g in zip(first, second)]
        torch.testing.assert_close(bracket, torch.stack(wanted).detach())


def test_of_degree_one_is_the_cross_product():
    u, v = (torch.cat([torch.zeros(6, 1), torch.randn(6, 3)], dim=1) for _ in range(2))
    torch.testing.assert_close(bracket_product(u, v, 1)[:, 1:], 3**0.5 * torch.linalg.cross(u[:, 1:], v[:, 1:]))


@pytest.mark.parametrize("degree", [4, 8])
def test_has_every_odd_path_and_no_other(degree):
    """Each path is a multiple, not zero, of e3nn's 3j-symbol."""
    o3 = pytest.importorskip("e3nn.o3")
    degrees = degrees_of(degree)
    identity = torch.eye(len(degrees), dtype=torch.float64)
    pairs = [(a, b) for a in range(degree + 1) for b in range(a, degree + 1) if degree < 8 or b > 6]
    for a, b in pairs:
        first, second = identity[degrees == a], identity[degrees == b]
        table = bracket_product(first[:, None], second[None], degree)
        for c in range(degree + 1):
            block = table[..., c * c : (c + 1) ** 2]
            if not (abs(a - b) <= c <= a + b and (a + b + c) % 2 and a and b and c):
                assert block.abs().max() < 1e-11
                continue
            symbol = o3.wigner_3j(a, b, c, dtype=torch.float64)
            scale = (block * symbol).sum()
            assert scale.abs() > 0.1
            torch.testing.assert_close(block, scale * symbol, rtol=0, atol=1e-11 * float(scale.abs()) + 1e-11)


@pytest.mark.parametrize("degree", [5, 20])
def test_equivariance_and_antisymmetry(degree):
    rotation = random_rotations(1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))[0]
    turn = reference.rotation_of_coefficients(degree, rotation).T
    first, second = factors(degree, degree)
    for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        turned = bracket_product((first @ turn).to(dtype), (second @ turn).to(dtype), degree)
        bracket = bracket_product(first.to(dtype), second.to(dtype), degree).double()
        assert (turned - bracket @ turn).abs().max() < bound * bracket.abs().max()
        swapped = bracket_product(second.to(dtype), first.to(dtype), degree)
        assert (swapped + bracket).abs().max() < bound * bracket.abs().max()
    # The reflection v -> -v: degree l of the factors has parity (-1)^l, of the bracket (-1)^(l + 1).
    signs = (-1.0) ** degrees_of(degree).double()
    torch.testing.assert_close(bracket_product(first * signs, second * signs, degree), -bracket * signs)


@pytest.mark.parametrize("route", ["full", "halved"])
def test_first_and_second_gradients(route):
    first, second = (t[:2].requires_grad_() for t in factors(2, 2))
    assert torch.autograd.gradcheck(lambda a, b: bracket_product(a, b, 2, route), (first, second))
    assert torch.autograd.gradgradcheck(lambda a, b: bracket_product(a, b, 2, route), (first, second))
