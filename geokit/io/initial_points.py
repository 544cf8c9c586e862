"""Points to begin a scene with: those of the capture, or, where it has none, points on random rays.

The depth on a ray is the one at which the photographs agree (`plane_sweep`); where too few cameras see it, points are
random inside the overlap of the cameras' frustums.
"""

import math

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras
from geokit.geometry.point_cloud import PointCloud
from geokit.io.capture import Capture
from geokit.io.plane_sweep import sweep

_NEAR, _FAR = 0.25, 4.0  # depths, in distances from the camera to the point that all of them look at
_COLOR_VIEWS = 8  # photographs that give a random point its colour
_CANDIDATES = 1 << 17


def initial_points(capture: Capture, count: int, generator: torch.Generator) -> PointCloud:
    """At most `count` coloured points, float32, in the capture's frame.

    A capture that brings points gives those, or a random choice of `count` of them. Of the others the training
    photographs are decoded and swept along `count` random rays; what is missing is filled up by `random_points`, with
    the mean of what the photographs show there as colours. Equal generators give equal points.
    """
    if count < 1:
        raise InvalidInput(f"the number of initial points must be positive, got {count}")
    if capture.points is not None and len(capture.points):
        points, colors = capture.points.points.float(), capture.points.colors
        colors = torch.full_like(points, 0.5) if colors is None else colors.float()
        if len(points) > count:
            chosen = torch.randperm(len(points), generator=generator)[:count].sort().values
            points, colors = points[chosen], colors[chosen]
        return PointCloud(points, colors)
    capture.photographs(capture.train)
    cameras = capture.cameras[capture.train]
    usual = usual_depth(cameras)
    points, colors = sweep(
        cameras,
        [capture.photograph(i) for i in capture.train],
        [capture.alpha(i) for i in capture.train],
        (_NEAR * usual, _FAR * usual),
        count,
        generator,
    )
    points, colors = points[:count], colors[:count]
    if len(points) < count:
        others = random_points(cameras, count - len(points), generator)
        points = torch.cat([points, others])
        colors = torch.cat([colors, _mean_colors(capture, others, generator)])
    return PointCloud(points, colors)


def random_points(cameras: Cameras, count: int, generator: torch.Generator) -> Tensor:
    """(count, 3) float32 points inside the overlap of the cameras' frustums.

    Each lies on the ray of a random pixel of a random camera, at a depth that is uniform in its logarithm (so that
    points are as dense on the screen in front as behind) around the distance of the point that the cameras look at,
    and is kept when at least a third of the cameras, and two, see it.
    """
    usual = usual_depth(cameras)
    least = min(len(cameras), max(2, math.ceil(len(cameras) / 3)))
    kept: list[Tensor] = []
    found = tried = 0
    while found < count:
        candidates = _on_random_rays(cameras, usual, generator)
        seen = _views_of(cameras, candidates, _NEAR * usual / 2)
        good = candidates[seen >= least]
        kept.append(good)
        found += len(good)
        tried += len(candidates)
        if found < 0.02 * tried and least > 1:
            least = max(1, least // 2)  # cameras that hardly overlap: be content with less
    return torch.cat(kept)[:count].float()


def usual_depth(cameras: Cameras) -> float:
    """The median depth, in the capture's unit, of the point that all cameras look at, in those that have it ahead."""
    depths = ((look_at_point(cameras) - cameras.centers) * cameras.forwards).sum(1)
    return float(depths[depths > 0].median()) if bool((depths > 0).any()) else cameras.extent


def look_at_point(cameras: Cameras) -> Tensor:
    """(3,) float64: the point nearest, in least squares, to all optical axes.

    Axes that are nearly parallel leave it undetermined along them; there it stays near the cameras' own extent ahead.
    """
    centers, forwards = cameras.centers, torch.nn.functional.normalize(cameras.forwards, dim=1)
    across = torch.eye(3, dtype=torch.float64) - forwards[:, :, None] * forwards[:, None, :]
    guess = (centers + 2 * cameras.extent * forwards).mean(0)
    weight = 1e-3 * torch.eye(3, dtype=torch.float64)
    right = (across @ centers[:, :, None])[..., 0].mean(0) + weight @ guess
    return torch.linalg.solve(across.mean(0) + weight, right)


def _on_random_rays(cameras: Cameras, usual: float, generator: torch.Generator) -> Tensor:
    """(_CANDIDATES, 3) float64 world points."""
    n = _CANDIDATES
    camera = torch.randint(len(cameras), (n,), generator=generator)
    place = torch.rand(n, 3, dtype=torch.float64, generator=generator)
    sizes = torch.tensor(cameras.sizes, dtype=torch.float64)[camera]
    K = cameras.K[camera]
    depth = usual * _NEAR * (_FAR / _NEAR) ** place[:, 2]
    x = (place[:, 0] * sizes[:, 0] - K[:, 0, 2]) / K[:, 0, 0]
    y = (place[:, 1] * sizes[:, 1] - K[:, 1, 2]) / K[:, 1, 1]
    local = torch.stack([x, y, torch.ones_like(x)], dim=1) * depth[:, None]
    pose = cameras.world_to_camera[camera]
    return (pose[:, :3, :3].transpose(1, 2) @ (local - pose[:, :3, 3])[:, :, None])[:, :, 0]


def _project(cameras: Cameras, index: int, points: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (P, 2) and depths (P,) of world points in one camera."""
    local = points @ cameras.world_to_camera[index, :3, :3].T + cameras.world_to_camera[index, :3, 3]
    depth = local[:, 2]
    pixels = (local @ cameras.K[index].T)[:, :2] / torch.where(depth.abs() < 1e-12, 1e-12, depth)[:, None]
    return pixels, depth


def _inside(cameras: Cameras, index: int, pixels: Tensor, depth: Tensor, near: float) -> Tensor:
    width, height = cameras.sizes[index]
    x, y = pixels.unbind(1)
    return (depth > near) & (x >= 0) & (y >= 0) & (x < width) & (y < height)


def _views_of(cameras: Cameras, points: Tensor, near: float) -> Tensor:
    """(P,) how many cameras have each point in their picture, farther away than `near`."""
    seen = torch.zeros(len(points), dtype=torch.int64)
    for index in range(len(cameras)):
        seen += _inside(cameras, index, *_project(cameras, index, points), near)
    return seen


def _mean_colors(capture: Capture, points: Tensor, generator: torch.Generator) -> Tensor:
    """(P, 3) float32: the mean of the nearest pixels in a few random training photographs that show each point."""
    total, weight = torch.zeros(len(points), 3), torch.zeros(len(points), 1)
    order = [capture.train[i] for i in torch.randperm(len(capture.train), generator=generator).tolist()]
    exact = points.double()
    for index in order:
        pixels, depth = _project(capture.cameras, index, exact)
        shown = _inside(capture.cameras, index, pixels, depth, 0.0) & (weight[:, 0] < _COLOR_VIEWS)
        if not bool(shown.any()):
            continue
        x, y = pixels[shown].long().unbind(1)
        total[shown] += capture.photograph(index)[y, x]
        weight[shown] += 1
    return torch.where(weight > 0, total / weight.clamp_min(1), 0.5)
