"""Several frames of reference for each cloud, with weights: what it takes to be equivariant without a jump.

No single frame depends continuously on the cloud, and neither does a set of equally weighted ones; weighted frames can
(Dym, Lawrence, Siegel, "Equivariant Frames and the Impossibility of Continuous Canonicalization", ICML 2024). The
frames here come with all sign changes of their axes (under rotations: the half-turns). An average over these does
not see the axes along which a cloud has no extent, so that they may be arbitrary there.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from geokit.equivariant.frames import LEAST_GAP, principal_frames

DIRECTIONS = ("O", "SO", "E", "SE")  # groups with and without mirror images, about the origin and about any point


@dataclass(frozen=True)
class WeightedFrames:
    """F frames of `clouds` clouds.

    axes: (F, n, n), orthonormal columns. owners: (F,) int64, the cloud of each. weights: (F,), not negative, of sum 1
    for each cloud. shares: (clouds,) the share of the weight that was left out because there were too many frames.
    """

    axes: Tensor
    owners: Tensor
    weights: Tensor
    clouds: int
    shares: Tensor

    def __len__(self) -> int:
        return len(self.axes)

    def __repr__(self) -> str:
        return f"WeightedFrames({len(self)} frames of {self.clouds} clouds in R^{self.axes.shape[-1]})"

    def drawn(self, count: int, generator: torch.Generator | None = None) -> "WeightedFrames":
        """`count` frames of each cloud drawn by their weights, with replacement: means over them are unbiased."""
        most = int(torch.bincount(self.owners, minlength=self.clouds).max())
        place = torch.arange(len(self), device=self.owners.device)
        firsts = torch.searchsorted(self.owners, torch.arange(self.clouds, device=self.owners.device))
        table = self.weights.new_zeros(self.clouds, most)
        table[self.owners, place - firsts[self.owners]] = self.weights.detach()
        chosen = (torch.multinomial(table, count, replacement=True, generator=generator) + firsts[:, None]).flatten()
        weights = self.weights.new_full((len(chosen),), 1 / count)
        return WeightedFrames(self.axes[chosen], self.owners[chosen], weights, self.clouds, self.shares)


def sign_changes(n: int, reflections: bool, like: Tensor) -> Tensor:
    """(2^n, n) all signs of n axes, or the half of them with an even number of minus signs, in the dtype of `like`."""
    signs = like.new_tensor(list(product((1.0, -1.0), repeat=n)))
    return signs if reflections else signs[signs.prod(1) > 0]


def principal_frames_of(moments: Tensor, reflections: bool) -> tuple[WeightedFrames, Tensor]:
    """The 2^n or 2^(n - 1) frames of the eigenvectors of second moments (B, n, n), equally weighted, and gaps (B,).

    Puny et al., "Frame Averaging for Invariant and Equivariant Network Design" (ICLR 2022). Axes are in
    the order of ascending spread. Where the gap of two spreads is 0 the axes are arbitrary: exactness and continuity
    end; where it is below `frames.LEAST_GAP` they pass no gradient.
    """
    scale = moments.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    moments = moments / scale.clamp(min=torch.finfo(moments.dtype).tiny)
    axes, gaps = principal_frames(moments)
    return _with_signs(axes, None, torch.arange(len(axes), device=axes.device), len(axes), reflections), gaps


def point_frames(
    points: Tensor, present: Tensor, reflections: bool, slack: float = 0.2, most: int = 512
) -> WeightedFrames:
    """Frames of clouds (B, N, n), n = 2 or 3, from the points that are farthest out; present (B, N) bool: which count.

    The last axis points to a point, with a weight that falls smoothly from the farthest point to those whose squared
    distance is less by the share `slack`, where it is 0; in space the axis before points to what a second point adds,
    weighted in the same way by its distance from the last axis. All is a continuous function of the points, also for
    cubes, octahedra and points on a line, and the order of the points does not matter. Where more than `most` frames
    of a cloud have weight (points on a sphere) the lightest are left out: then it is continuous only up to what
    `WeightedFrames.shares` says.
    """
    squares = _only(points.square().sum(-1), present)
    first = _falling(squares, slack)
    cloud, i = first.detach().nonzero(as_tuple=True)
    along = _unit(points[cloud, i])
    weights = first[cloud, i]
    if points.shape[-1] == 2:
        axes = torch.stack([_quarter_turned(along), along], -1)
    else:
        across = points[cloud] - (points[cloud] @ along[:, :, None]) * along[:, None]
        extent = across.square().sum(-1)
        # On a line nothing lies across but rounding errors, and any second axis will do.
        known = extent.detach().amax(-1) > LEAST_GAP**2 * squares.detach().amax(-1)[cloud]
        across = torch.where(known[:, None, None], across, across.detach())
        second = _falling(_only(across.square().sum(-1), present[cloud]), slack)
        pair, j = second.detach().nonzero(as_tuple=True)
        along, weights, cloud = along[pair], weights[pair] * second[pair, j], cloud[pair]
        sideways = _orthonormal_to(along, across[pair, j])
        axes = torch.stack([torch.linalg.cross(along, sideways), sideways, along], -1)
    signs = 2 ** (points.shape[-1] - (0 if reflections else 1))
    axes, weights, cloud, shares = _heaviest(axes, weights, cloud, len(points), max(1, most // signs))
    return _with_signs(axes, weights, cloud, len(points), reflections, shares)


def blended(first: WeightedFrames, second: WeightedFrames, share: Tensor) -> WeightedFrames:
    """Both together, the first with the share (clouds,) in [0, 1]; frames of no weight are left out."""
    weights = torch.cat([first.weights * share[first.owners], second.weights * (1 - share)[second.owners]])
    owners = torch.cat([first.owners, second.owners])
    kept = (weights.detach() > 0).nonzero()[:, 0]
    kept = kept[owners[kept].argsort(stable=True)]
    axes = torch.cat([first.axes, second.axes])
    shares = first.shares * share.detach() + second.shares * (1 - share.detach())
    return WeightedFrames(axes[kept], owners[kept], weights[kept], first.clouds, shares)


def smooth_step(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, a cubic with flat ends between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def _falling(values: Tensor, slack: float) -> Tensor:
    """Weights of sum 1 along the last axis: largest for the largest value, 0 from (1 - slack) times that downwards."""
    largest = values.amax(-1, keepdim=True)
    ratio = torch.where(largest > 0, values / largest.clamp(min=torch.finfo(values.dtype).tiny), 1.0)
    ratio = torch.where(values < 0, 0.0, ratio)
    weights = (ratio - (1 - slack)).clamp(min=0).square()
    total = weights.sum(-1, keepdim=True)
    first = torch.zeros_like(weights).index_fill(-1, torch.zeros(1, dtype=torch.int64, device=values.device), 1.0)
    return torch.where(total > 0, weights / total.clamp(min=torch.finfo(values.dtype).tiny), first)


def _only(values: Tensor, present: Tensor) -> Tensor:
    return torch.where(present, values, -1.0)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors (F, n) of length 1; the first coordinate axis for those of length 0."""
    square = vectors.square().sum(-1, keepdim=True)
    axis = torch.zeros_like(vectors)
    axis[:, 0] = 1
    return torch.where(square > 0, vectors * torch.where(square > 0, square, 1.0).rsqrt(), axis)


def _quarter_turned(vectors: Tensor) -> Tensor:
    return torch.stack([-vectors[:, 1], vectors[:, 0]], -1)


def _orthonormal_to(axis: Tensor, vectors: Tensor) -> Tensor:
    """Unit vectors (F, 3) across unit axes (F, 3), along `vectors` that lie across them but for rounding, or anywhere
    where a vector is nothing but rounding."""
    sideways = _across(_unit(vectors), axis)
    rounding = sideways.detach().square().sum(-1, keepdim=True) < 0.25
    spare = torch.zeros_like(axis).scatter(1, axis.detach().abs().argmin(1, keepdim=True), 1.0)
    return _unit(torch.where(rounding, _across(spare, axis), sideways))


def _across(vectors: Tensor, axis: Tensor) -> Tensor:
    return vectors - (vectors * axis).sum(-1, keepdim=True) * axis


def _heaviest(
    axes: Tensor, weights: Tensor, owners: Tensor, clouds: int, most: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frames, weights, owners of the `most` heaviest of each cloud, and the share (clouds,) that was left out."""
    order = weights.detach().argsort(descending=True, stable=True)
    order = order[owners[order].argsort(stable=True)]
    owners = owners[order]
    firsts = torch.searchsorted(owners, torch.arange(clouds, device=owners.device))
    kept = torch.arange(len(owners), device=owners.device) - firsts[owners] < most
    chosen, owners = order[kept], owners[kept]
    total = weights.new_zeros(clouds).index_add(0, owners, weights[chosen])
    return axes[chosen], weights[chosen] / total[owners], owners, (1 - total.detach()).clamp(min=0)


def _with_signs(
    axes: Tensor,
    weights: Tensor | None,
    owners: Tensor,
    clouds: int,
    reflections: bool,
    shares: Tensor | None = None,
) -> WeightedFrames:
    """Every sign of the axes (F, n, n), or every half-turn of a rotation of them, with equal parts of the weight."""
    n = axes.shape[-1]
    if not reflections:
        hand = torch.linalg.det(axes.detach()).sign()
        axes = torch.cat([axes[..., :-1], axes[..., -1:] * hand[:, None, None]], -1)
    signs = sign_changes(n, reflections, axes)
    weights = axes.new_ones(len(axes)) if weights is None else weights
    return WeightedFrames(
        (axes[:, None] * signs[None, :, None]).flatten(0, 1),
        owners.repeat_interleave(len(signs)),
        weights.repeat_interleave(len(signs)) / len(signs),
        clouds,
        axes.new_zeros(clouds) if shares is None else shares,
    )
