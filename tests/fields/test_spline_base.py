"""Cubic B-splines as the smooth base of images."""

import torch

from geokit.fields.spline_base import spline_count, spline_matrix, spline_projection, spline_values


def test_sum_to_one_and_reproduce_cubics() -> None:
    size, spacing = 75, 9
    x = torch.linspace(0, size, 200, dtype=torch.float64)
    matrix = spline_matrix(x, spacing, spline_count(size, spacing))
    torch.testing.assert_close(matrix.sum(1), torch.ones(200, dtype=torch.float64))
    samples = torch.arange(size, dtype=torch.float64) + 0.5
    cubic = lambda t: 1 + t - 0.02 * t**2 + 0.0003 * t**3  # noqa: E731
    coefficients = spline_projection(size, spacing) @ cubic(samples)
    torch.testing.assert_close(matrix @ coefficients, cubic(x), atol=1e-4, rtol=1e-6)


def test_values_at_points_are_the_products() -> None:
    lattice = torch.randn(7, 6, 3, dtype=torch.float64)
    y, x = torch.rand(20, dtype=torch.float64) * 30, torch.rand(20, dtype=torch.float64) * 22
    down, across = spline_matrix(y, 8, 7), spline_matrix(x, 8, 6)
    expected = torch.einsum("na,abc,nb->nc", down, lattice, across)
    torch.testing.assert_close(spline_values(lattice, torch.stack([x, y], 1), 8), expected)


def test_derivatives() -> None:
    lattice = torch.randn(7, 6, 2, dtype=torch.float64)
    points = (torch.rand(6, 2, dtype=torch.float64) * 20).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: spline_values(lattice, p, 8), (points,))
    assert torch.autograd.gradgradcheck(lambda p: spline_values(lattice, p, 8), (points,))
