"""Canonical frames: the symmetric factor of an affine map from the moments of what it moved.

A set of weighted points with mean mu and covariance C moves to one with mean A mu + b and covariance A C A'. In the
frame u -> mu + p u with p = C^(1/2), two sets that differ by an affine map therefore differ by a rotation only: the
moments give the factor exp(X) of the decomposition g = exp(X) k (Mironenco and Forre, ICLR 2024), and what is left for
a network to be equivariant to is k. In a smaller group only the part of X that lies in its algebra is taken off.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.equivariant.frames import weighted_center, weighted_moments
from geokit.equivariant.lie.general_linear import traceless
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.symmetric import symmetric_exp, symmetric_log
from geokit.errors import InvalidInput


@dataclass(frozen=True)
class Frames:
    """Maps u -> mean + matrix u from canonical to given coordinates.

    mean: (B, n). log: (B, n, n) symmetric; matrix = exp(log), (B, n, n).
    """

    mean: Tensor
    log: Tensor

    @property
    def matrix(self) -> Tensor:
        """(B, n, n) positive definite."""
        return symmetric_exp(self.log)

    @property
    def inverse(self) -> Tensor:
        """(B, n, n) of `matrix`."""
        return symmetric_exp(-self.log)


def moments(points: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Means (B, n) and covariances (B, n, n) of points (B, N, n), or (N, n) for all, with weights (B, N) >= 0.

    Where all weights are zero, every point counts.
    """
    total = weights.sum(-1, keepdim=True)
    share = torch.where(total > 0, weights / total.clamp(min=torch.finfo(weights.dtype).tiny), 1 / weights.shape[-1])
    points = points.expand(*weights.shape, points.shape[-1])
    mean = weighted_center(points, share)
    return mean, weighted_moments(points - mean[..., None, :], share)


def frames(mean: Tensor, covariance: Tensor, group: LieGroup, unit: float = 1.0) -> Frames:
    """Frames of sets with means (B, n) and positive-definite covariances (B, n, n).

    group: linear, such as GLPlus(n), SL(n), SO(n); only what it can undo is taken off: for GLPlus the matrix is the
    root of the covariance, for SL that root with the determinant unit^n, for SO it is the unit. unit: the size that
    canonical coordinates are measured in, where the group does not change sizes. Raises `InvalidInput` for groups that
    translate (the mean does that), that do not act on R^n, and for a unit that is not positive.
    """
    n = mean.shape[-1]
    if group.n != n or group.size != n:
        raise InvalidInput(f"a linear group that acts on R^{n} is needed, got {group}; translations need no group")
    if not unit > 0:
        raise InvalidInput(f"the unit of canonical coordinates must be positive, got {unit}")
    log = 0.5 * symmetric_log(covariance)
    inside = group.complement_hat(group.complement_vee(log))
    if not changes_size(group):
        inside = traceless(inside) + torch.log(mean.new_tensor(unit)) * torch.eye(n, dtype=mean.dtype).to(mean)
    return Frames(mean, inside)


def changes_size(group: LieGroup) -> bool:
    """Whether multiples of the identity are in a linear group."""
    return not getattr(group, "volume_preserving", False)


def canonical_points(points: Tensor, group: LieGroup, weights: Tensor | None = None, unit: float = 1.0) -> Tensor:
    """Point clouds (B, N, n) in their canonical frames: clouds that differ by an affine map with its linear part in
    the group differ by a rotation afterwards.

    weights: (B, N) >= 0, equal by default; padding has none. Raises `InvalidInput` as `frames`, for other shapes and
    dtypes, clouds without points, values that are not finite, weights that are negative, and for clouds that lie in a
    plane (a line, for n = 2): those have no inverse frame.
    """
    check_tensor("points", points, ("B", "N", "n"), FLOATS, finite=True)
    if not points.shape[1]:
        raise InvalidInput(f"a cloud without points has no canonical frame, got shape {tuple(points.shape)}")
    if weights is not None:
        check_tensor("weights", weights, points.shape[:2], points.dtype, finite=True)
        if bool((weights < 0).any()):
            raise InvalidInput(f"weights of points must not be negative, the least is {float(weights.min()):.4g}")
    weights = torch.ones_like(points[..., 0]) if weights is None else weights
    mean, covariance = moments(points, weights)
    if group.complement_dim and len(points):
        values = torch.linalg.eigvalsh(covariance.detach())
        flat = values[:, 0] <= 4 * torch.finfo(points.dtype).eps * values[:, -1]
        if bool(flat.any()):
            raise InvalidInput(
                f"cloud {int(flat.nonzero()[0, 0])} is flat (spreads {values[flat][0].tolist()}) and has no canonical "
                f"frame in {group}; leave it out or use SO({points.shape[-1]})"
            )
    else:
        covariance = torch.eye(points.shape[-1], dtype=points.dtype, device=points.device).expand_as(covariance)
    found = frames(mean, covariance, group, unit)
    return (points - mean[..., None, :]) @ found.inverse
