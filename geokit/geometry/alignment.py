"""The rigid motion and the similarity that bring paired points together, in closed form."""

from typing import NamedTuple

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_one_device, check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.rotations import nearest_rotation


class Alignment(NamedTuple):
    """target ~ scale * rotation @ source + translation."""

    rotation: Tensor  # (..., 3, 3)
    translation: Tensor  # (..., 3)
    scale: Tensor  # (...)

    @property
    def matrix(self) -> Tensor:
        """(..., 4, 4) the same map for homogeneous columns."""
        upper = torch.cat([self.scale[..., None, None] * self.rotation, self.translation[..., None]], dim=-1)
        last = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(upper).expand(*upper.shape[:-2], 1, 4)
        return torch.cat([upper, last], dim=-2)


def kabsch(source: Tensor, target: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The rotations R (..., 3, 3) and translations t (..., 3) that minimise sum_i w_i |R s_i + t - t_i|^2.

    source, target: (..., N, 3) paired points; leading dimensions broadcast. weights: (..., N), not negative; all one
    where they are left out. Never a reflection. Differentiable by all arguments, also where singular values coincide.

    Points on one line, fewer than three points, or equal points leave turns open: one of the minimisers is returned,
    and no gradient flows along the open ones. Raises `InvalidInput` for wrong shapes and negative weights,
    `NumericalFailure` where there is nothing to align: no points, or weights that sum to zero.
    (Kabsch 1976; the sign of the determinant by Umeyama 1991.)
    """
    return umeyama(source, target, weights, scale=False)[:2]


def umeyama(source: Tensor, target: Tensor, weights: Tensor | None = None, scale: bool = True) -> Alignment:
    """As `kabsch`, with the scale that minimises sum_i w_i |scale R s_i + t - t_i|^2 (Umeyama 1991, eq. 39-43).

    Returns `Alignment` (rotation, translation, scale); the scale is 1 where `scale` is False. Raises
    `NumericalFailure` also where all source points of weight are one point, which no scale can spread.
    """
    check_tensor("source", source, (*source.shape[:-2], "N", 3), FLOATS)
    check_tensor("target", target, (*target.shape[:-2], source.shape[-2], 3), source.dtype)
    if weights is None:
        weights = source.new_ones(source.shape[-2])
    check_tensor("weights", weights, (*weights.shape[:-1], source.shape[-2]), source.dtype)
    check_one_device(source=source, target=target, weights=weights)
    if bool((weights < 0).any()):
        raise InvalidInput(f"weights of paired points must not be negative, the lowest is {float(weights.min()):.3g}")
    total = weights.sum(-1)
    if not source.shape[-2] or bool((total <= 0).any()):
        raise NumericalFailure(
            f"no points of positive weight to align among {source.shape[-2]} pairs; at least three are needed"
        )
    share = (weights / total[..., None])[..., None]
    source_mean, target_mean = ((share * points).sum(-2) for points in (source, target))
    from_mean, to_mean = source - source_mean[..., None, :], target - target_mean[..., None, :]
    covariance = (share * to_mean).mT @ from_mean
    rotation = nearest_rotation(covariance)
    factor = torch.ones_like(covariance[..., 0, 0])
    if scale:
        variance = (share[..., 0] * from_mean.square().sum(-1)).sum(-1)
        if bool((variance <= 0).any()):
            raise NumericalFailure("all source points are the same point, so no scale is determined; give others")
        factor = (rotation * covariance).sum((-2, -1)) / variance
    moved = factor[..., None] * (rotation @ source_mean[..., None])[..., 0]
    return Alignment(rotation, target_mean - moved, factor)
