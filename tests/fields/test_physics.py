"""Equations solved by fields of Gaussians, against solutions that are known; and what may be given wrongly."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields import Condition, Field, GaussianField, Problem, load_field, save_field, solve_pde
from geokit.fields.gaussian_jets import gaussian_jets
from geokit.fields.physics_cells import Cells
from geokit.fields.physics_fit import gauss_newton, least_squares
from geokit.fields.physics_rows import cell_grid, collocate, linear_rows, residuals
from geokit.fields.physics_train import Training
from geokit.fields.problems import burgers, helmholtz, klein_gordon, on_faces, poisson, poisson_peak


def some_field(d: int, count: int = 30) -> GaussianField:
    generator = torch.Generator().manual_seed(d)
    field = GaussianField([[0.0] * d, [1.0] * d], count)
    with torch.no_grad():
        field.shapes[:, :d] = torch.rand(count, d, generator=generator)
        field.shapes[:, d:] = 4 * field.shapes[:, d:] + 0.4 * torch.randn(
            field.shapes[:, d:].shape, generator=generator
        )
        field.features.normal_(generator=generator)
    return field


@pytest.mark.parametrize("d", [1, 2, 3])
def test_jets_are_derivatives(d: int) -> None:
    field = some_field(d)
    x = torch.rand(20, d, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    shapes, features = field.shapes.detach(), field.features.detach()

    def value(place: Tensor) -> Tensor:
        return gaussian_jets(place[None], shapes).values[0] @ features

    found = gaussian_jets(x, shapes).sums(features)
    torch.testing.assert_close(found[0], torch.func.vmap(value)(x))
    torch.testing.assert_close(found[1], torch.func.vmap(torch.func.grad(value))(x))
    torch.testing.assert_close(found[2], torch.func.vmap(torch.func.hessian(value))(x))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_field_is_what_the_rows_are_made_of(d: int) -> None:
    """The native sums and the dense matrices are one function."""
    field = some_field(d)
    x = torch.rand(40, d, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    values, gradients, hessians = gaussian_jets(x, field.shapes).sums(field.features)
    torch.testing.assert_close(field(x)[:, 0], values)
    torch.testing.assert_close(field.gradient(x)[:, 0], gradients)
    torch.testing.assert_close(field.gradient(x), Field.slopes(field, x))
    torch.testing.assert_close(field.laplacian(x)[:, 0], hessians.diagonal(dim1=1, dim2=2).sum(1))
    torch.testing.assert_close(field.hessian(x), hessians)


def test_jets_have_gradients() -> None:
    shapes = some_field(2, 3).shapes.detach().requires_grad_()
    x = torch.rand(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(lambda s: tuple(gaussian_jets(x, s)), (shapes,))


@pytest.mark.parametrize("problem", [poisson_peak(), helmholtz(), klein_gordon(), burgers(0.5)], ids=lambda p: p.name)
def test_exact_solutions_obey_their_problems(problem: Problem) -> None:
    """Derivatives of the exact solution by autograd make every residual vanish."""
    assert problem.exact is not None
    box = problem.box()
    inside = cell_grid(box, [7, 6])
    for part in collocate(problem, inside, 8):
        x = part.points.clone().requires_grad_()
        u = problem.exact(x)
        slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        rows = [torch.autograd.grad(slope[:, k].sum(), x, retain_graph=True)[0] for k in range(2)]
        at_start = problem.name == "Burgers" and part.points[:, 1].max() == 0  # where a root has no derivative
        hessian = torch.stack(rows, 1)
        assert float(part.equation(x, u, slope, hessian if not at_start else hessian * 0).detach().abs().max()) < 1e-6


def test_rows_are_the_jacobian() -> None:
    problem = klein_gordon()
    field = some_field(2, 12)
    parts = collocate(problem, cell_grid(problem.box(), [3, 4]), 3)
    ones = [torch.ones(len(part.points), dtype=torch.float64) for part in parts]
    shapes, features = field.shapes.detach(), field.features.detach()
    found = linear_rows(parts, shapes, features)
    expected = torch.autograd.functional.jacobian(lambda f: residuals(parts, ones, shapes, f), features)
    torch.testing.assert_close(torch.cat([rows for rows, _ in found]), expected)
    torch.testing.assert_close(torch.cat([r for _, r in found]), residuals(parts, ones, shapes, features))


def test_least_squares_of_unlike_columns() -> None:
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(30, 5, dtype=torch.float64, generator=generator) * torch.logspace(
        -6, 6, 5, dtype=torch.float64
    )
    wanted = torch.randn(5, dtype=torch.float64, generator=generator) / matrix[0].abs()
    torch.testing.assert_close(least_squares(matrix, matrix @ wanted), wanted, rtol=1e-8, atol=0)


@pytest.mark.parametrize(("problem", "most"), [(helmholtz(), 1e-5), (klein_gordon(), 1e-5)], ids=lambda p: str(p)[:20])
def test_solves(problem: Problem, most: float) -> None:
    solution = solve_pde(problem)
    assert solution.relative_error is not None
    assert solution.relative_error < most
    assert solution.field.parameter_count == 576 * 6
    assert solution.history[-1].gaussians == 576
    assert solution.seconds > 0


def test_refinement_finds_the_peak() -> None:
    coarse = solve_pde(poisson_peak(), gaussians=250)
    fine = solve_pde(poisson_peak(), gaussians=450, refinements=6)
    assert len(fine.field.features) <= 450
    assert fine.relative_error is not None
    assert coarse.relative_error is not None
    assert fine.relative_error < 1e-3 < coarse.relative_error / 10
    new = fine.field.centres[144:]
    near = (new - torch.tensor([0.3, 0.6], dtype=torch.float64)).norm(dim=1) < 0.3
    assert float(near.double().mean()) > 0.9


def test_training_betters_the_solution() -> None:
    plain = solve_pde(helmholtz(), gaussians=144)
    trained = solve_pde(helmholtz(), gaussians=144, steps=20)
    assert plain.relative_error is not None
    assert trained.relative_error is not None
    assert trained.relative_error < 0.8 * plain.relative_error
    assert trained.history[-1].residual < trained.history[1].residual / 2


@pytest.mark.parametrize("problem", [helmholtz(), klein_gordon()], ids=lambda p: p.name)
def test_gradient_through_the_solution(problem: Problem) -> None:
    box = problem.box()
    cells = Cells.grid(box, [3, 3], 1)
    shapes = torch.cat([cells.kernels, 0.5 / cells.spacings], 1)[:, [0, 1, 2, 2, 3]]
    shapes[:, 3] = 0.1
    points, roots = cells.points(3)
    fit = gauss_newton(collocate(problem, points, 9), roots, shapes, shapes.new_zeros(len(shapes)), 30)
    training = Training(fit, roots, shapes, 2)
    training.loss(np.zeros(shapes.numel()))
    start = 0.02 * np.random.default_rng(0).standard_normal(shapes.numel())
    for _ in range(4):  # Gauss-Newton goes on where it ended
        _, gradient = training.loss(start)
    for k in range(0, shapes.numel(), 17):
        change = np.zeros_like(start)
        change[k] = 1e-5
        ends = [training.loss(start + sign * change)[0] for sign in (1, -1)]
        assert gradient[k] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=2e-2, abs=2e-4)


@pytest.mark.parametrize("d", [1, 3])
def test_other_dimensions(d: int) -> None:
    def exact(x: Tensor) -> Tensor:
        return (1.5 * x.sum(1)).sin()

    problem = poisson(lambda x: -d * 2.25 * exact(x), exact, exact, d)
    error = solve_pde(problem, gaussians=16 if d == 1 else 512).relative_error
    assert error is not None
    assert error < (1e-5 if d == 1 else 2e-3)


def test_cells_keep_their_volume() -> None:
    cells = Cells.grid(torch.tensor([[0.0, 0.0], [2.0, 1.0]], dtype=torch.float64), [4, 3], 1)
    errors = torch.zeros(12, dtype=torch.float64)
    errors[[2, 7]] = 1.0
    bend = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(12, 2)
    finer = cells.refined(errors, bend, 100)
    torch.testing.assert_close(finer.sizes.prod(1).sum(), cells.sizes.prod(1).sum())
    assert len(finer.kernels) == len(cells.kernels) + 2  # one of the two has half of the sum
    assert len(finer.centres) == 13
    assert (finer.sizes[:, 1] == cells.sizes[0, 1]).all()
    assert len(cells.refined(errors, bend, 1).kernels) == len(cells.kernels)
    points, roots = finer.points(2)
    torch.testing.assert_close(roots.square().sum(), torch.tensor(2.0, dtype=torch.float64))
    assert len(points.unique(dim=0)) == len(points)


def test_field_in_a_file(tmp_path: Path) -> None:
    field = some_field(2)
    save_field(tmp_path / "a.field", field)
    x = torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(load_field(tmp_path / "a.field")(x), field(x))


def test_one_equation_is_as_good_as_its_multiple() -> None:
    """Weights are made alike first: an equation in other units has the same solution."""
    problem = helmholtz()
    other = replace(problem, residual=lambda x, u, g, h: 1e6 * problem.residual(x, u, g, h))
    found = [solve_pde(p, gaussians=256).relative_error for p in (problem, other)]
    assert found[0] == pytest.approx(found[1], rel=1e-2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gaussians": 0}, "budget of 0"),
        ({"gaussians": 50, "refinements": 1}, "at least 108"),
        ({"steps": -1}, "not be negative"),
        ({"overlap": math.nan}, "overlap must be"),
        ({"gaussians": 10**6}, "fewer points or Gaussians"),
    ],
)
def test_options_that_cannot_be(options: dict[str, int], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        solve_pde(helmholtz(), **options)


def zero(x: Tensor) -> Tensor:
    return torch.zeros_like(x[:, 0])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"exact": lambda x: x[:, 0] / 0 * 0}, InvalidInput, "NaN or infinite at 19881 of 19881"),
        ({"exact": lambda x: x}, InvalidInput, "exact solution of Helmholtz must be a tensor"),
        ({"exact": zero}, InvalidInput, "zero everywhere"),
        ({"residual": lambda x, u, g, h: u[:3]}, InvalidInput, "must be a tensor"),
        ({"residual": lambda x, u, g, h: x[:, 0]}, InvalidInput, "does not depend on the field"),
        ({"residual": lambda x, u, g, h: u / 0}, NumericalFailure, "is not finite"),
        ({"conditions": on_faces(2, lambda x: x[:, 0] * math.nan)}, NumericalFailure, "side 0 of axis 0 is not finite"),
    ],
)
def test_equations_that_cannot_be(changes: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        solve_pde(replace(helmholtz(), **changes), gaussians=64)


@pytest.mark.parametrize(
    "bounds", [[[0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]], [[0.0] * 4, [1.0] * 4], [[0.0, math.nan]] * 2]
)
def test_boxes_that_cannot_be(bounds: list[list[float]]) -> None:
    with pytest.raises(InvalidInput, match="bounds must be"):
        replace(helmholtz(), bounds=bounds)


def test_faces_that_cannot_be() -> None:
    with pytest.raises(InvalidInput, match="axes are 0 to 1"):
        replace(helmholtz(), conditions=[Condition(2, 0, lambda x, u, g: u)])
    with pytest.raises(InvalidInput, match="weight of a condition"):
        replace(helmholtz(), conditions=[Condition(0, 0, lambda x, u, g: u, -1.0)])


def test_shapes_of_fields_that_cannot_be() -> None:
    with pytest.raises(InvalidInput, match="at least one Gaussian"):
        GaussianField([[0.0], [1.0]], 0)
    with pytest.raises(InvalidInput, match="float32 or float64"):
        GaussianField([[0.0], [1.0]], 1, "half")
