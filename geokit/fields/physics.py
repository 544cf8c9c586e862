"""Differential equations solved by fields of Gaussians: least squares for what is linear, training for what is not."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.gaussian_field import GaussianField
from geokit.fields.physics_cells import Cells
from geokit.fields.physics_fit import Fit, gauss_newton
from geokit.fields.physics_rows import cell_grid, collocate
from geokit.fields.physics_train import train_shapes
from geokit.fields.problems import Problem

_MARGIN = 2  # layers of Gaussians outside of the box, for derivatives as good on its faces as inside
_MEASURED = 20_000  # points at which a solution is compared with the exact one
_NEWTON = 30  # steps at most
_POINTS = 2  # collocation points of a cell along every axis
_TRAINED = 4  # while shapes are trained, which could hide between fewer


@dataclass(frozen=True)
class Moment:
    """CPU seconds since the start, Gaussians, norm of the weighted residuals, and relative error where it is known."""

    seconds: float
    gaussians: int
    residual: float
    relative_error: float | None


@dataclass(frozen=True)
class Solution:
    """A field that obeys the equation; the relative L2 error against the exact solution, None where none is known; the
    CPU seconds taken, without those of measuring errors; and what happened, a moment for every solve and step."""

    field: GaussianField
    relative_error: float | None
    seconds: float
    history: Sequence[Moment]

    def __repr__(self) -> str:
        error = "unknown" if self.relative_error is None else f"{self.relative_error:.3g}"
        return f"Solution({len(self.field.features):,} Gaussians, relative error {error}, {self.seconds:.1f} CPU s)"


def solve_pde(
    problem: Problem, gaussians: int = 576, steps: int = 0, refinements: int = 0, overlap: float = 3.0
) -> Solution:
    """The field of Gaussians that obeys the equation and the conditions of the problem best, float64 on the CPU.

    Physics-informed Gaussians (Kang et al., ICLR 2025) train centres, widths and features alike. Here the features,
    in which the field is linear, are the solution of least squares: one for linear equations, a few by Gauss and Newton
    for others. gaussians: how many at most; without refinements about as many lie on a grid, of widths `overlap`
    spacings. refinements: rounds in which the cells of the grid that obey the equation least are halved, along the axes
    on which the solution bends; a third of the Gaussians are then on the grid. steps: of L-BFGS on the centres and
    covariances, through the solution (variable projection). Time grows with the square of their number times that of
    the collocation points, four times as many in two dimensions.

    Raises `InvalidInput` for numbers that cannot be, equations of wrong shape, and an exact solution that is not
    finite; `NumericalFailure` for equations that are not finite at the field.
    """
    box = problem.box()
    d = box.shape[1]
    _check(gaussians, steps, refinements, overlap, d)
    exact = _measure(problem, box)
    clock = _Clock()
    counts = [_side(gaussians if refinements == 0 else gaussians // 3, d)] * d
    cells = Cells.grid(box, counts, _MARGIN)
    shapes = _shapes(cells, overlap)
    history: list[Moment] = []

    def told(shapes: Tensor, fit: Fit) -> None:
        clock.stop()
        error = _error(GaussianField.of(box, shapes, fit.features), exact)
        history.append(Moment(clock.seconds, len(shapes), fit.norm, error))
        clock.go()

    features = shapes.new_zeros(len(shapes))
    for rounds in range(refinements + 1):
        points, roots = cells.points(_POINTS)
        parts = collocate(problem, points, _POINTS * _across(cells, box))
        features = torch.cat([features, features.new_zeros(len(shapes) - len(features))])
        fit = gauss_newton(parts, roots, shapes, features, _NEWTON)
        features = fit.features
        told(shapes, fit)
        room = gaussians - len(shapes)
        if rounds == refinements or room < 1:
            break
        finer = _refined(cells, GaussianField.of(box, shapes, features), problem, room)
        shapes = torch.cat([shapes, _shapes(finer, overlap)[len(shapes) :]])
        cells = finer
    if steps > 0:
        points, roots = cells.points(_TRAINED)
        fit = gauss_newton(collocate(problem, points, _TRAINED * _across(cells, box)), roots, shapes, features, _NEWTON)
        shapes, fit = train_shapes(fit, roots, shapes, d, steps, told)
    clock.stop()
    field = GaussianField.of(box, shapes, fit.features)
    return Solution(field, _error(field, exact), clock.seconds, history)


class _Clock:
    """CPU seconds between `go` and `stop`, summed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.go()

    def go(self) -> None:
        self.began = time.process_time()

    def stop(self) -> None:
        self.seconds += time.process_time() - self.began


def _check(gaussians: int, steps: int, refinements: int, overlap: float, d: int) -> None:
    least = (2 * _MARGIN + 2) ** d * (3 if refinements > 0 else 1)
    if gaussians < least:
        raise InvalidInput(f"gaussians must be at least {least} in {d} dimensions, got a budget of {gaussians}")
    if steps < 0 or refinements < 0:
        raise InvalidInput(f"steps and refinements must not be negative, got {steps} and {refinements}")
    if not 0.5 <= overlap <= 10:
        raise InvalidInput(f"overlap must be 0.5 to 10 spacings, got {overlap}")


def _side(count: int, d: int) -> int:
    """Cells a side of the grid with at most so many Gaussians, those of the margin among them."""
    side = int(count ** (1 / d))
    return (side + 1 if (side + 1) ** d <= count else side) - 2 * _MARGIN


def _across(cells: Cells, box: Tensor) -> int:
    """How many of the finest cells of a hundredth of all would lie side by side: as dense the conditions are held."""
    return int(((box[1] - box[0]) / cells.sizes).max(1).values.quantile(0.99).ceil())


def _shapes(cells: Cells, overlap: float) -> Tensor:
    d = cells.kernels.shape[1]
    shapes = cells.kernels.new_zeros(len(cells.kernels), d + d * (d + 1) // 2)
    shapes[:, :d] = cells.kernels
    shapes[:, [d + k * (k + 3) // 2 for k in range(d)]] = 1 / (overlap * cells.spacings)
    return shapes


def _refined(cells: Cells, field: GaussianField, problem: Problem, room: int) -> Cells:
    points, roots = cells.points(_POINTS)
    with torch.no_grad():
        value, slope, hessian = field(points)[:, 0], field.gradient(points)[:, 0], field.hessian(points)
        wrong = problem.residual(points, value, slope, hessian) * roots
    errors = wrong.view(len(cells.centres), -1).norm(dim=1)
    bend = hessian.diagonal(dim1=1, dim2=2).abs().view(len(cells.centres), -1, cells.centres.shape[1]).amax(1)
    return cells.refined(errors, bend, room)


def _measure(problem: Problem, box: Tensor) -> tuple[Tensor, Tensor] | None:
    """Points on a grid and the exact solution there."""
    if problem.exact is None:
        return None
    d = box.shape[1]
    points = cell_grid(box, [round(_MEASURED ** (1 / d))] * d, ends=True)
    exact = problem.exact(points)
    if not isinstance(exact, Tensor) or exact.shape != points.shape[:1]:
        raise InvalidInput(f"the exact solution of {problem.name} must be a tensor ({len(points)},), got {exact!r:.60}")
    if not bool(exact.isfinite().all()):
        raise InvalidInput(
            f"the exact solution of {problem.name} is NaN or infinite at {int((~exact.isfinite()).sum())} of "
            f"{len(points)} points of its box"
        )
    if not bool(exact.any()):
        raise InvalidInput(f"the exact solution of {problem.name} is zero everywhere: no error is relative to it")
    return points, exact


def _error(field: GaussianField, exact: tuple[Tensor, Tensor] | None) -> float | None:
    if exact is None:
        return None
    with torch.no_grad():
        found = field(exact[0])[:, 0]
    return float((found - exact[1]).norm() / exact[1].norm())
