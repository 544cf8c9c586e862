"""The equations of a problem at its collocation points, and their linear rows for a sum of Gaussians."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields.gaussian_jets import gaussian_jets
from geokit.fields.problems import Problem

Equation = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
MOST_ENTRIES = 1 << 27  # of the matrix: 1 GB in float64, and as much again for each derivative


@dataclass(frozen=True)
class Collocation:
    """One equation at points (N, d): `equation(x, u, gradient, hessian)` and its weight against the others."""

    points: Tensor
    equation: Equation
    weight: float
    name: str


def collocate(problem: Problem, interior: Tensor, across: int) -> list[Collocation]:
    """The equation of the problem at interior (N, d) and its conditions on grids of `across` points a side of faces."""
    box = problem.box()
    d = box.shape[1]
    parts = [Collocation(interior, problem.residual, 1.0, f"the equation of {problem.name}")]
    for condition in problem.conditions:
        place = cell_grid(box, [1 if k == condition.axis else across for k in range(d)], ends=True)
        place[:, condition.axis] = box[condition.side, condition.axis]
        name = f"the condition of {problem.name} on side {condition.side} of axis {condition.axis}"
        parts.append(Collocation(place, _on_face(condition.residual), condition.weight, name))
    return parts


def _on_face(residual: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Equation:
    return lambda x, u, gradient, hessian: residual(x, u, gradient)


def cell_grid(box: Tensor, counts: list[int], ends: bool = False) -> Tensor:
    """A grid in the box (2, d), points in the middle of cells, or with ends from face to face: (N, d)."""
    axes = []
    for low, high, count in zip(*box.tolist(), counts):
        steps = torch.linspace(0, 1, count) if ends and count > 1 else (torch.arange(count) + 0.5) / count
        axes.append(low + (high - low) * steps.to(box))
    return torch.cartesian_prod(*axes).reshape(-1, box.shape[1])


def residuals(parts: list[Collocation], weights: list[Tensor], shapes: Tensor, features: Tensor) -> Tensor:
    """Weighted residuals of all points (N,), differentiable by shapes (M, S) and features (M,)."""
    found = []
    for part, weight in zip(parts, weights):
        found.append(weight * part.equation(part.points, *gaussian_jets(part.points, shapes).sums(features)))
    return torch.cat(found)


def linear_rows(parts: list[Collocation], shapes: Tensor, features: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Of every part the Jacobian (N, M) of its residuals by the features, and the residuals (N,).

    Raises `InvalidInput` for residuals of another shape or dtype, `NumericalFailure` for those that are not finite.
    """
    count = sum(len(part.points) for part in parts) * len(shapes)
    if count > MOST_ENTRIES:
        raise InvalidInput(f"{count:,} entries of the matrix are more than {MOST_ENTRIES:,}: fewer points or Gaussians")
    found = []
    for part in parts:
        with torch.no_grad():
            jets = gaussian_jets(part.points, shapes)
            sums = jets.sums(features)
        with torch.enable_grad():
            for value in sums:
                value.requires_grad_()
            residual = part.equation(part.points, *sums)
            if not isinstance(residual, Tensor) or residual.shape != part.points.shape[:1]:
                shape = tuple(residual.shape) if isinstance(residual, Tensor) else type(residual).__name__
                raise InvalidInput(f"{part.name} must be a tensor ({len(part.points)},), got {shape}")
            if not bool(residual.isfinite().all()):
                raise NumericalFailure(f"{part.name} is not finite at {int((~residual.isfinite()).sum())} points")
            if not residual.requires_grad:
                raise InvalidInput(f"{part.name} does not depend on the field: use u, its gradient or its Hessian")
            by = torch.autograd.grad(residual.sum(), sums, allow_unused=True)
        rows = torch.zeros_like(jets.values)
        if by[0] is not None:
            rows += by[0][:, None] * jets.values
        if by[1] is not None:
            rows += torch.einsum("nk,nkm->nm", by[1], jets.gradients)
        if by[2] is not None:
            d = by[2].shape[1]
            for k in range(d):
                for j in range(d):  # most of them are zero
                    if bool(by[2][:, k, j].any()):
                        rows += by[2][:, k, j, None] * jets.hessians[:, k, j]
        found.append((rows, residual.detach()))
    return found
