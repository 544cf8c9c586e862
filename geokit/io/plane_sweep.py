"""Points on the surfaces that photographs show, from photographs and poses alone: a plane sweep along random rays.

The ray of a random pixel is cut at some depths; at each depth the pixel is looked up in the nearest other cameras, and
the depth at which most of them agree with it wins (Collins 1996, for one pixel at a time). What is compared is the
colour, smoothed a little, and its slope, which tells the sides of an edge apart. No match is checked for being unique:
the points are a start for training, many times nearer to the surfaces than random ones, and not a reconstruction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from geokit.geometry.cameras import Cameras

_LONGEST = 512  # pixels of the longer side at which photographs are compared
_DEPTHS, _FINER = 32, 9  # depths tried, equally spaced in their logarithm, and once more around the best
_NEIGHBORS = 8  # cameras that are asked
_REACH = 3  # pixels to both sides over which a slope is taken
_UNSEEN = 1e3  # disagreement of a camera that does not see a point; colours differ by less than 3


@dataclass(frozen=True)
class _Sight:
    """One camera and what it compares: features (h w, 5), colors (h w, 3), and the solid pixels (S,) to start from."""

    pose: Tensor
    K: Tensor
    width: int
    height: int
    features: Tensor
    colors: Tensor
    solid: Tensor


def sweep(
    cameras: Cameras,
    photographs: Sequence[Tensor],
    alphas: Sequence[Tensor | None],
    depths: tuple[float, float],
    count: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Points (P, 3) and colors (P, 3), float32, about `count` spread evenly over the cameras' pixels.

    photographs: (H, W, 3) in [0, 1] of each camera, alphas: (H, W) or None; rays start at pixels of alpha above 0.5.
    depths: nearest and farthest. Rays that fewer than two other cameras follow anywhere are left out, so that P may be
    smaller than `count`.
    """
    sights = [_sight(cameras[i], photographs[i], alphas[i]) for i in range(len(cameras))]
    apart = torch.cdist(cameras.centers, cameras.centers)
    share = -(-count // len(cameras))
    found = []
    for i, sight in enumerate(sights):
        order = [j for j in apart[i].argsort().tolist() if j != i]
        others = [sights[j] for j in order[:_NEIGHBORS]]
        if len(others) >= 2 and len(sight.solid):
            found.append(_sweep_one(sight, others, depths, share, generator))
    if not found:
        return torch.zeros(0, 3), torch.zeros(0, 3)
    return torch.cat([points for points, _ in found]), torch.cat([colors for _, colors in found])


def _sight(camera: Cameras, photograph: Tensor, alpha: Tensor | None) -> _Sight:
    """The photograph made small, and its features."""
    (width, height) = camera.sizes[0]
    factor = max(1.0, max(width, height) / _LONGEST)
    small = camera.scaled(1 / factor)
    (width, height) = small.sizes[0]
    planes = functional.interpolate(photograph.permute(2, 0, 1)[None], (height, width), mode="area")
    smooth = functional.avg_pool2d(functional.pad(planes, (1, 1, 1, 1), mode="replicate"), 3, 1)
    wide = functional.pad(smooth.mean(1, keepdim=True), (_REACH,) * 4, mode="replicate")
    middle = slice(_REACH, -_REACH)
    right = wide[:, :, middle, 2 * _REACH :] - wide[:, :, middle, : -2 * _REACH]
    down = wide[:, :, 2 * _REACH :, middle] - wide[:, :, : -2 * _REACH, middle]
    features = torch.cat([smooth, right, down], dim=1)[0].permute(1, 2, 0).reshape(height * width, 5)
    solid = torch.arange(height * width)
    if alpha is not None:
        solid = solid[functional.interpolate(alpha[None, None], (height, width), mode="area").flatten() > 0.5]
    colors = planes[0].permute(1, 2, 0).reshape(height * width, 3)
    return _Sight(small.world_to_camera[0].float(), small.K[0].float(), width, height, features, colors, solid)


def _sweep_one(
    sight: _Sight, others: Sequence[_Sight], depths: tuple[float, float], count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The points and colours of `count` random rays of one camera, fewer where too few others see them."""
    near, ratio = depths[0], depths[1] / depths[0]
    chosen = sight.solid[torch.randint(len(sight.solid), (count,), generator=generator)]
    place = torch.stack([chosen % sight.width, chosen // sight.width], dim=1) + torch.rand(
        count, 2, generator=generator
    )
    focal, center = sight.K.diag()[:2], sight.K[:2, 2]
    rays = torch.cat([(place - center) / focal, torch.ones(count, 1)], dim=1) @ sight.pose[:3, :3]
    origin = -sight.pose[:3, 3] @ sight.pose[:3, :3]
    wanted = sight.features[chosen]
    steps = (torch.arange(_DEPTHS) + torch.rand(count, 1, generator=generator)) / _DEPTHS
    depth, _ = _best(origin, rays, near * ratio**steps, wanted, others)
    finer = torch.linspace(-1, 1, _FINER) / _DEPTHS
    depth, cost = _best(origin, rays, depth[:, None] * ratio**finer, wanted, others)
    seen = cost < _UNSEEN
    return (origin + rays * depth[:, None])[seen], sight.colors[chosen[seen]]


def _best(
    origin: Tensor, rays: Tensor, depths: Tensor, wanted: Tensor, others: Sequence[_Sight]
) -> tuple[Tensor, Tensor]:
    """The depth (N,), of (N, D), at which the others agree most with `wanted` (N, 5), and the disagreement (N,)."""
    costs = torch.stack([_disagreement(origin, rays, depths, wanted, other) for other in others])
    agreeing = costs.topk(len(others) // 2 + 1, dim=0, largest=False).values  # the rest may be hidden behind something
    seen = agreeing < _UNSEEN
    times = seen.sum(0)
    mean = torch.where(seen, agreeing, 0).sum(0) / times.clamp_min(1)
    best = torch.where(times >= 2, mean, _UNSEEN).min(dim=1)
    return depths.gather(1, best.indices[:, None])[:, 0], best.values


def _disagreement(origin: Tensor, rays: Tensor, depths: Tensor, wanted: Tensor, other: _Sight) -> Tensor:
    """(N, D): how much another camera's nearest pixel differs from `wanted` at each depth of each ray."""
    to_pixels = other.K @ other.pose[:3, :3]
    start = to_pixels @ origin + other.K @ other.pose[:3, 3]
    homogeneous = (rays @ to_pixels.T)[:, None] * depths[..., None] + start
    z = homogeneous[..., 2]
    ahead = z > 1e-3 * depths
    x, y = (homogeneous[..., :2] / torch.where(ahead, z, 1.0)[..., None]).unbind(-1)
    inside = ahead & (x >= 0) & (y >= 0) & (x < other.width) & (y < other.height)
    index = torch.where(inside, y, 0).long() * other.width + torch.where(inside, x, 0).long()
    return torch.where(inside, (other.features[index] - wanted[:, None]).abs().mean(-1), _UNSEEN)
