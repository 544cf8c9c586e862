"""Coordinates of a cloud that no motion changes, to be put before any network: classical scaling of its distances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from geokit.equivariant.frame_averaging import averaged, check_options, checked_cloud
from geokit.equivariant.frames import principal_frames, weighted_center, weighted_moments
from geokit.equivariant.weighted_frames import WeightedFrames, sign_changes
from geokit.errors import InvalidInput


@dataclass(frozen=True)
class InvariantCoordinates:
    """Clouds in coordinates of their own: points = center + size * coordinates @ axes^T.

    coordinates: (B, N, n), axes by descending spread. axes: (B, n, n), orthonormal columns. center: (B, n). size: (B,),
    1 without scale. gaps: (B,) the smallest difference of two spreads relative to their sum: near 0 the axes are
    arbitrary. skewness: (B, n) in [-1, 1], of the coordinates, which decides their signs: near 0 these are arbitrary.
    """

    coordinates: Tensor
    axes: Tensor
    center: Tensor
    size: Tensor
    gaps: Tensor
    skewness: Tensor

    def back(self, points: Tensor) -> Tensor:
        """Points (B, ..., n) in these coordinates, where they are in space."""
        shape = (-1, *[1] * (points.dim() - 2), points.shape[-1])
        return self.back_vectors(points) + self.center.view(shape)

    def back_vectors(self, vectors: Tensor) -> Tensor:
        """Vectors (B, ..., n) in these coordinates, as they are in space."""
        turned = torch.einsum("b...j,bij->b...i", vectors, self.axes)
        return turned * self.size.view(-1, *[1] * (vectors.dim() - 1))

    def __repr__(self) -> str:
        clouds, count, n = self.coordinates.shape
        return f"InvariantCoordinates({clouds} clouds of {count} points in R^{n})"


def invariant_coordinates(
    points: Tensor, weights: Tensor | None = None, *, group: str = "E", scale: bool = False
) -> InvariantCoordinates:
    """What classical multidimensional scaling makes of the distances in clouds (B, N, n), n = 2 or 3, made unique.

    The coordinates are those about the centre along the principal axes (Zhang et al., "Revisiting Transformation
    Invariant Geometric Deep Learning", the modified representation): found from the n x n second moments, so that
    distances of all pairs are never made. Each axis points where the third moment of its coordinate is positive, a
    rule that no order of the points changes. group: "E" for coordinates that mirror images share; "SE" keeps these
    apart, the last axis being what makes the axes right-handed. scale: divide by the root mean square distance from the
    centre. weights: (B, N) of the points, 0 for those that are not there.

    Where two spreads are equal or a third moment is 0, as for symmetric shapes, the coordinates jump: no rule can
    avoid that (Dym et al., 2024); `gaps` and `skewness` say how near that is. Raises InvalidInput for other shapes,
    dtypes and groups.
    """
    dim = points.shape[-1] if isinstance(points, Tensor) and points.dim() else 0
    _check_group(group)
    check_options(dim, group, "points")
    weights = checked_cloud(points, None, weights, dim)
    center = weighted_center(points, weights)
    centered = points - center[:, None]
    moments = weighted_moments(centered, weights)
    axes, gaps = principal_frames(moments)
    axes = axes.flip(-1)
    size = points.new_ones(len(points))
    if scale:
        total = weights.sum(1)
        square = moments.diagonal(dim1=1, dim2=2).sum(1) / torch.where(total > 0, total, 1.0)
        size = torch.where(square > 0, square, 1.0).sqrt()
    skewness = _skewness(centered @ axes, weights)
    signs = torch.where(skewness.detach() < 0, -1.0, 1.0).to(axes)
    if group == "SE":
        hand = torch.linalg.det(axes.detach()).sign() * signs[:, :-1].prod(1)
        signs = torch.cat([signs[:, :-1], hand[:, None]], 1)
    axes = axes * signs[:, None]
    return InvariantCoordinates((centered @ axes) / size[:, None, None], axes, center, size, gaps, skewness * signs)


class InvariantInput(nn.Module):
    """A network on `invariant_coordinates`: invariant, or, with its outputs mapped back, equivariant, in one pass.

    network: takes points (B, N, n), then vectors (B, ..., n) if `forward` gets some, then the rest of forward's
    arguments. group, scale: of `invariant_coordinates`. output: what becomes of an output, one for all or one for each:
    "invariant", "points" or "vectors", as in `FrameAverage`; with scale the last two grow with the cloud.

    signs="rule" takes the signs of the axes by the third moments. signs="blend" takes both signs of an axis, with
    weights that change smoothly with the skewness, where that is within `doubt` of 0: a cloud costs up to 2^n passes
    where all signs are in doubt, and the jumps at vanishing third moments are gone.
    """

    def __init__(
        self,
        network: Callable[..., Any],
        dim: int = 3,
        *,
        group: str = "E",
        output: str | Sequence[str] = "invariant",
        scale: bool = False,
        signs: str = "rule",
        doubt: float = 0.2,
    ) -> None:
        """Raises InvalidInput for options that there are not."""
        super().__init__()
        _check_group(group)
        check_options(dim, group, output)
        if signs not in ("rule", "blend"):
            raise InvalidInput(f'signs must be "rule" or "blend", got {signs!r}')
        if not 0 < doubt <= 1:
            raise InvalidInput(f"doubt is a skewness, above 0 and at most 1, got {doubt}")
        self.network, self.dim, self.group, self.output = network, dim, group, output
        self.scale, self.signs, self.doubt = scale, signs, doubt

    def forward(
        self, points: Tensor, vectors: Tensor | None = None, *others: Any, weights: Tensor | None = None
    ) -> Any:
        """The network's outputs for clouds (B, N, n); arguments and errors are those of `FrameAverage.forward`."""
        checked = checked_cloud(points, vectors, weights, self.dim)
        found = invariant_coordinates(points, checked, group=self.group, scale=self.scale)
        centered = points - found.center[:, None]
        size = found.size if self.scale else None
        return averaged(self.network, self._frames(found), centered, vectors, others, self.output, found.center, size)

    def _frames(self, found: InvariantCoordinates) -> WeightedFrames:
        clouds, n = found.skewness.shape
        owners = torch.arange(clouds, device=found.axes.device)
        weights, nothing = found.axes.new_ones(clouds), found.axes.new_zeros(clouds)
        if self.signs == "rule":
            return WeightedFrames(found.axes, owners, weights, clouds, nothing)
        signs = sign_changes(n, self.group == "E", found.axes)
        decided = n if self.group == "E" else n - 1  # the last axis of right-handed ones follows from the others
        sure = (found.skewness[:, None, :decided] * signs[:, :decided] / self.doubt).clamp(-1, 1)
        weights = ((2 + 3 * sure - sure**3) / 4).prod(-1)
        cloud, sign = (weights.detach() > 0).nonzero(as_tuple=True)
        return WeightedFrames(found.axes[cloud] * signs[sign][:, None], cloud, weights[cloud, sign], clouds, nothing)


def _skewness(coordinates: Tensor, weights: Tensor) -> Tensor:
    """sum w z^3 / sum w |z|^3 of coordinates (B, N, n), (B, n); 0 where these vanish."""
    cubes = weights[:, :, None] * coordinates**3
    size = cubes.abs().sum(1)
    return cubes.sum(1) / torch.where(size > 0, size, 1.0)


def _check_group(group: str) -> None:
    if group not in ("E", "SE"):
        raise InvalidInput(f'invariant coordinates are about the centre: group must be "E" or "SE", got {group!r}')
