"""Spherical harmonics."""

import math

import pytest
import torch

from geokit.equivariant.irreps.harmonics import degrees_of, spherical_harmonics
from geokit.errors import InvalidInput
from tests.reference import irreps as reference


def directions(count: int = 400) -> torch.Tensor:
    """Float32-exact vectors in float64: anywhere, near the poles and on them, near the equator."""
    generator = torch.Generator().manual_seed(0)
    near = torch.tensor([[1.0, 1, 1], [0.01, 1, 0.01], [0.1, 1, 0.1], [1, 0.01, 1]])
    vectors = torch.randn(4, count // 4, 3, generator=generator) * near[:, None]
    poles = torch.tensor([[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [0, 0, -1]])
    return torch.cat([vectors.flatten(0, 1), poles]).double()


@pytest.mark.parametrize("degree", [0, 1, 7, 30])
def test_equals_scipy(degree):
    vectors = directions()
    wanted, scale = reference.harmonics(degree, vectors), (2 * degrees_of(degree) + 1).sqrt()
    assert ((spherical_harmonics(degree, vectors) - wanted) / scale).abs().max() < 1e-12
    assert ((spherical_harmonics(degree, vectors.float()) - wanted) / scale).abs().max() < 4e-6


@pytest.mark.parametrize("normalization", ["component", "integral", "norm"])
def test_equals_e3nn(normalization):
    o3 = pytest.importorskip("e3nn.o3")
    vectors = directions()
    for normalize in (True, False):
        wanted = o3.spherical_harmonics(list(range(12)), vectors, normalize, normalization)
        found = spherical_harmonics(11, vectors, normalize, normalization)
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_addition_theorem():
    """The sum over m of Y(u) Y(v) is (2 l + 1) P_l(u . v)."""
    u, v = (torch.nn.functional.normalize(t, dim=1) for t in directions(200)[:200].chunk(2))
    products = spherical_harmonics(30, u) * spherical_harmonics(30, v)
    cosine = (u * v).sum(1)
    for l in range(31):
        legendre = torch.special.legendre_polynomial_p(cosine, l)
        torch.testing.assert_close(products[:, l * l : (l + 1) ** 2].sum(1), (2 * l + 1) * legendre, rtol=0, atol=1e-11)


def test_gradients_at_poles_and_of_zero():
    points = torch.tensor([[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [0.3, -0.5, 0.2]], dtype=torch.float64)
    for normalize in (True, False):
        function = lambda v, normalize=normalize: spherical_harmonics(4, v, normalize)  # noqa: E731
        assert torch.autograd.gradcheck(function, points.clone().requires_grad_())
        assert torch.autograd.gradgradcheck(function, points.clone().requires_grad_())
    zero = torch.zeros(2, 3, requires_grad=True)
    for normalize in (True, False):
        values = spherical_harmonics(6, zero, normalize)
        assert values[:, 0].eq(1).all()
        assert values[:, 1:].abs().max() < 1e-6
        (gradient,) = torch.autograd.grad(values.square().sum(), zero, create_graph=True)
        assert gradient.isfinite().all()
        (second,) = torch.autograd.grad(gradient.sum() + (gradient * zero).sum(), zero, allow_unused=True)
        assert second.isfinite().all()


def test_solid_harmonics_are_homogeneous():
    vectors = directions(40)
    powers = 1.7 ** degrees_of(9).double()
    scaled = spherical_harmonics(9, 1.7 * vectors, normalize=False)
    torch.testing.assert_close(scaled, powers * spherical_harmonics(9, vectors, normalize=False))


def test_shapes_and_refusals():
    assert spherical_harmonics(3, torch.randn(2, 5, 3)).shape == (2, 5, 16)
    assert spherical_harmonics(3, torch.randn(0, 3)).shape == (0, 16)
    assert spherical_harmonics(0, torch.tensor([0.0, 2, 0])).tolist() == [1]
    for call in (lambda: spherical_harmonics(-1, torch.randn(2, 3)), lambda: spherical_harmonics(2, torch.randn(2, 2))):
        with pytest.raises(InvalidInput):
            call()
    with pytest.raises(InvalidInput, match="component, integral, norm"):
        spherical_harmonics(2, torch.randn(2, 3), normalization="4pi")


def test_compiles_and_exports():
    vectors = torch.randn(6, 3)
    compiled = torch.compile(spherical_harmonics, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(5, vectors), spherical_harmonics(5, vectors))

    class Harmonics(torch.nn.Module):
        def forward(self, v):
            return spherical_harmonics(4, v, normalization="integral")

    program = torch.export.export(Harmonics(), (vectors,)).module()
    torch.testing.assert_close(program(vectors), spherical_harmonics(4, vectors) / math.sqrt(4 * math.pi))
