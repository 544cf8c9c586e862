"""Features of Gaussians that obey the equations best, by least squares."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import NumericalFailure
from geokit.fields.physics_rows import Collocation, linear_rows, residuals

_RIDGE = 1e-14  # of features in units of their columns: what rounding leaves of them anyway
_ENOUGH = 1e-3  # relative decrease of the residual below which Gauss-Newton ends
_HALVINGS = 6


@dataclass
class Fit:
    """Parts with the weights (N,) of their points, the features (M,) found, and the norm of weighted residuals."""

    parts: list[Collocation]
    weights: list[Tensor]
    features: Tensor
    norm: float


def equation_weights(parts: list[Collocation], roots: Tensor, rows: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Weights (N,) of every part that make the mean squares of their rows equal, each over the whole of its domain.

    roots (N,) of the first part: of the volume of a point. Rows of a second derivative are larger than those of a value
    by the square of the kernels' width; without weights they would drown the conditions.
    """
    weights = []
    for number, (part, (matrix, _)) in enumerate(zip(parts, rows)):
        share = roots / roots.norm() if number == 0 else torch.full_like(matrix[:, 0], len(matrix) ** -0.5)
        size = float((share[:, None] * matrix).norm())
        weights.append(part.weight * share / max(size, 1e-300))
    return weights


def gauss_newton(
    parts: list[Collocation],
    roots: Tensor,
    shapes: Tensor,
    features: Tensor,
    most: int,
    weights: list[Tensor] | None = None,
    damping: Tensor | None = None,
) -> Fit:
    """Features, from those given (M,) on, that make the residuals least: one step where the equation is linear.

    weights: of the points, those of `equation_weights` unless given. damping (M,): factors of the features whose
    squares are added to those of the residuals.
    Raises `NumericalFailure` where a solution is not finite, and as `linear_rows` does.
    """
    norm = math.inf
    for step in range(most):
        rows = linear_rows(parts, shapes, features)
        weights = weights or equation_weights(parts, roots, rows)
        matrix = torch.cat([w[:, None] * rows_of for w, (rows_of, _) in zip(weights, rows)])
        vector = torch.cat([w * residual for w, (_, residual) in zip(weights, rows)])
        if step == 0:
            norm = _length(vector, features, damping)
        target = least_squares(matrix, matrix @ features - vector, damping)
        change = target - features
        expected = _length(matrix @ change + vector, target, damping)
        for halving in range(_HALVINGS):
            trial = features + change * 0.5**halving
            with torch.no_grad():
                reached = _length(residuals(parts, weights, shapes, trial), trial, damping)
            if reached < norm:
                break
        else:
            break
        decrease, norm, features = norm - reached, reached, trial
        linear = halving == 0 and abs(reached - expected) <= 1e-6 * reached
        if linear or decrease <= _ENOUGH * norm:
            break
    return Fit(parts, weights or [], features, norm)


def _length(vector: Tensor, features: Tensor, damping: Tensor | None) -> float:
    return float((vector if damping is None else torch.cat([vector, damping * features])).norm())


def least_squares(matrix: Tensor, vector: Tensor, damping: Tensor | None = None) -> Tensor:
    """The (M,) that matrix (N, M) makes closest to vector (N,), by a QR decomposition of columns of unit length."""
    sizes = matrix.norm(dim=0).clamp(min=1e-300)
    count = matrix.shape[1]
    ridge = torch.diag(sizes.new_full((count,), _RIDGE * math.sqrt(count)) if damping is None else damping / sizes)
    stacked, target = torch.cat([matrix / sizes, ridge]), torch.cat([vector, vector.new_zeros(count)])
    found = torch.linalg.lstsq(stacked, target[:, None], driver="gels").solution[:, 0] / sizes
    if not bool(found.isfinite().all()):
        raise NumericalFailure("least squares gave features that are not finite: use fewer Gaussians or less overlap")
    return found
