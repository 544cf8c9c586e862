"""Iterative closest points: two overlapping surfaces, roughly aligned, are brought together exactly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.alignment import umeyama
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import PointTree
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.rotations import matrix_from_axis_angle
from geokit.geometry.scan_points import ScanPoints, scan_points, thinned
from geokit.geometry.transforms import transform_points

Kernel = Literal["none", "huber", "tukey", "geman-mcclure"]

# Weights by the residual over its scale; constants of 95 % efficiency for Gaussian residuals (Holland and Welsch 1977).
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.ones_like,
    "huber": lambda r: 1.345 / r.clamp_min(1.345),
    "tukey": lambda r: (1 - (r / 4.685).square()).clamp_min(0).square(),
    "geman-mcclure": lambda r: (1 + (r / 2).square()).square().reciprocal(),
}
_COARSER = 2.0  # from one level to the next finer one
_MOST_POINTS = 15_000  # about, that the finest level moves


@dataclass(frozen=True)
class Registration:
    """How the source lies on the target.

    matrix: (4, 4) float64, target frame from source frame: x' = matrix[:3, :3] x + matrix[:3, 3]; a rotation and a
    translation, times `scale` where a scale was asked for.
    fitness: the share of the source's points, in [0, 1], that have a point of the target within `max_distance`; of
    partial scans about their overlap, and low for a registration that failed.
    rmse: root mean square distance of those pairs, point to point, in the target's unit of length: near the spacing of
    the points, not zero, for scans of the same surface.
    inliers: how many pairs those are. max_distance: what counted as a pair, in the target's unit.
    iterations: steps of the fine alignment in all. converged: whether the last of them changed nothing any more.
    """

    matrix: Tensor
    fitness: float
    rmse: float
    inliers: int
    max_distance: float
    iterations: int
    converged: bool
    scale: float = 1.0

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return (
            f"Registration(fitness {self.fitness:.3f}, rmse {self.rmse:.3g}, {self.inliers:,} pairs within "
            f"{self.max_distance:.3g}, scale {self.scale:.4g}, {state} after {self.iterations} steps)"
        )


def icp(
    source: PointCloud | Mesh,
    target: PointCloud | Mesh,
    initial: Tensor | None = None,
    *,
    metric: Literal["plane", "point"] = "plane",
    kernel: Kernel = "tukey",
    scale: bool = False,
    max_distance: float | None = None,
    iterations: int = 60,
) -> Registration:
    """Align `source` to `target` from a rough start `initial` (4, 4), the identity where it is left out.

    Each step pairs the moved points with their nearest target points closer than a bound, weighs the pairs by a robust
    `kernel` of their residuals over 1.4826 times their median (none, huber, tukey, geman-mcclure), and solves for the
    motion: metric "plane" along the target's normals (Chen and Medioni 1991; normals are estimated where a cloud has
    none), "point" in closed form (Besl and McKay 1992). It goes from coarse to fine: the bound starts at
    `max_distance` (5 % of the target's extent, in the target's unit of length) and halves down to a few spacings of the
    points, over points thinned to a third of it; `iterations` bounds the steps of each level. Meshes are sampled. With
    `scale`, a similarity.

    Computed in float64; the same answer for the same arguments. Raises `InvalidInput` for wrong arguments and
    `NumericalFailure` where fewer than six pairs are close enough, which is a start too far away.
    """
    if kernel not in KERNELS:
        raise InvalidInput(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    if metric not in ("plane", "point"):
        raise InvalidInput(f"metric must be 'plane' or 'point', got {metric!r}")
    if max_distance is not None and not max_distance > 0:
        raise InvalidInput(f"max_distance must be positive, got {max_distance}")
    matrix = torch.eye(4, dtype=torch.float64) if initial is None else initial
    check_tensor("initial", matrix, (4, 4), finite=True)
    fixed, moving = scan_points(target), scan_points(source)
    bound = max_distance or 0.05 * fixed.extent
    return align(moving, fixed, matrix.detach().cpu().double(), metric, kernel, scale, bound, iterations)


def align(
    moving: ScanPoints,
    fixed: ScanPoints,
    matrix: Tensor,
    metric: str,
    kernel: str,
    scale: bool,
    bound: float,
    iterations: int,
    finest: float | None = None,
) -> Registration:
    """`icp` of prepared points, down to the bound `finest`."""
    last = min(finest or 3 * fixed.spacing, bound)
    bounds = [bound]
    while bounds[-1] > last:
        bounds.append(max(bounds[-1] / _COARSER, last))
    steps, settled = 0, False
    for level in bounds:
        factor = float(torch.linalg.det(matrix[:3, :3])) ** (1 / 3)
        size = max(level / 3, moving.extent * factor / _MOST_POINTS**0.5 / 2)
        points, goal = thinned(moving, size / factor), thinned(fixed, level / 3)
        tree = PointTree(goal.points)
        for _ in range(iterations):
            steps += 1
            changed = _step(points, goal, tree, matrix, metric, kernel, scale, level)
            # How far the ends of the source went: pairs that change back and forth at the rim keep it from zero.
            ends = transform_points(points.box, changed) - transform_points(points.box, matrix)
            matrix = changed
            settled = float(ends.norm(dim=1).max()) < (1e-2 if level > bounds[-1] else 1e-4) * level
            if settled:
                break
    return measured(moving, fixed, matrix, bounds[-1], steps, settled)


def measured(
    moving: ScanPoints, fixed: ScanPoints, matrix: Tensor, bound: float, steps: int, settled: bool
) -> Registration:
    """The figures of a registration."""
    distances = PointTree(fixed.points).nearest(1, transform_points(moving.points, matrix))[0][:, 0]
    near = distances[distances <= bound]
    rmse = float(near.square().mean().sqrt()) if len(near) else float("inf")
    factor = float(torch.linalg.det(matrix[:3, :3])) ** (1 / 3)
    share = len(near) / max(len(distances), 1)
    return Registration(matrix, share, rmse, len(near), bound, steps, settled, factor)


def _step(
    moving: ScanPoints,
    fixed: ScanPoints,
    tree: PointTree,
    matrix: Tensor,
    metric: str,
    kernel: str,
    scale: bool,
    bound: float,
) -> Tensor:
    """The matrix after one step."""
    moved = transform_points(moving.points, matrix)
    distances, indices = tree.nearest(1, moved)
    nearest = indices[:, 0]
    turned = torch.nn.functional.normalize(moving.normals @ matrix[:3, :3].T, dim=1)
    # The other side of a thin part, or a wall across, is near and wrong. Signs may differ: normals need no orientation.
    agree = (turned * fixed.normals[nearest]).sum(1).abs() > 0.5
    paired = (distances[:, 0] < bound) & agree
    if int(paired.sum()) < 6:
        raise NumericalFailure(
            f"only {int(paired.sum())} of {len(moved)} points have a counterpart within {bound:.3g}: the start is too "
            "far away or the surfaces do not overlap; give a better `initial`, a larger `max_distance`, or `register` "
            "them"
        )
    here, there, normals = moved[paired], fixed.points[nearest[paired]], fixed.normals[nearest[paired]]
    gaps = here - there
    residuals = (gaps * normals).sum(1) if metric == "plane" else gaps.norm(dim=1)
    weights = KERNELS[kernel](residuals.abs() / _scale_of(residuals, bound))
    if metric == "point":
        return umeyama(here, there, weights, scale=scale).matrix @ matrix
    return _plane_step(here, normals, residuals, weights, scale) @ matrix


def _scale_of(residuals: Tensor, bound: float) -> Tensor:
    """The robust standard deviation: 1.4826 times the median size; never nothing, of surfaces that agree exactly."""
    return (1.4826 * residuals.abs().median()).clamp_min(1e-9 * bound)


def _plane_step(points: Tensor, normals: Tensor, residuals: Tensor, weights: Tensor, scale: bool) -> Tensor:
    """The motion that, to first order, minimises the weighted squared distances to the planes.

    Unknowns: a turn about the centre of the points, a shift, and a growth. Along directions in which the planes hold
    nothing, as along a cylinder, there is no motion.
    """
    center = points.mean(0)
    arms = points - center
    reach = arms.norm(dim=1).mean().clamp_min(torch.finfo(arms.dtype).tiny)
    columns = [torch.linalg.cross(arms, normals) / reach, normals]
    if scale:
        columns.append((arms * normals).sum(1, keepdim=True) / reach)
    rows = torch.cat(columns, dim=1)
    normal_matrix = (weights[:, None] * rows).T @ rows
    values, vectors = torch.linalg.eigh(normal_matrix)
    held = values > 1e-8 * values[-1]
    right = vectors.T @ (rows.T @ (weights * -residuals))
    solution = vectors @ torch.where(held, right / torch.where(held, values, 1.0), 0.0)
    linear = matrix_from_axis_angle(solution[:3] / reach)
    if scale:
        linear = linear * (solution[6] / reach).exp()
    motion = torch.eye(4, dtype=points.dtype)
    motion[:3, :3] = linear
    motion[:3, 3] = center + solution[3:6] - linear @ center
    return motion
