"""Rigid registration without a start: two overlapping scans in any pose come to lie on one another."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.consensus import distinct, hypotheses
from geokit.geometry.descriptors import fpfh
from geokit.geometry.icp import Registration, align
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import PointTree
from geokit.geometry.normals import local_planes
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.scan_points import ScanPoints, scan_points, thinned
from geokit.geometry.transforms import transform_points

_CELLS = 45  # of the smaller extent, across
_MOST_PAIRS = 1500
_MOST_STARTS = 8
_FACTORS = tuple(1.12**n for n in (0, 1, -1, 2, -2, 3, -3, 4, -4))  # of the ratio of the spreads, where scale is free


def register(
    source: PointCloud | Mesh,
    target: PointCloud | Mesh,
    *,
    voxel: float | None = None,
    scale: bool = False,
    seed: int = 0,
) -> Registration:
    """The rigid motion that brings `source` onto `target`, from any start, of scans that overlap in part.

    Points thinned to `voxel` (in the target's unit of length; a 45th of the smaller extent where it is left out, but
    not below twice the spacing) are described by histograms of the normals around them, paired by likeness, and the
    motions that many pairs agree on are tried: those that lay most surface on surface are refined by point-to-plane
    `icp`, and the best is returned. Normals need no orientation, and are estimated where there are none; meshes are
    sampled, by `seed`.

    With `scale`, a similarity: sizes from 0.64 to 1.57 times the ratio of the spreads of the two are tried, which takes
    up to nine times as long and suits shapes of which most is there in both.

    The same arguments give the same answer. Look at `fitness` of the `Registration`: well below the overlap that you
    expect, it has failed. Raises `InvalidInput` for wrong arguments, shapes of fewer than ten points or no extent, and
    `NumericalFailure` where nothing fits.
    """
    if voxel is not None and not voxel > 0:
        raise InvalidInput(f"voxel must be positive, got {voxel}")
    moving, fixed = scan_points(source, seed), scan_points(target, seed)
    ratio = _spread(fixed) / _spread(moving)
    best, best_score, size = None, -1.0, 0.0
    for factor in [ratio * f for f in _FACTORS] if scale else [1.0]:
        grown = moving.grown(factor)
        smaller, spacing = min(grown.extent, fixed.extent), max(grown.spacing, fixed.spacing)
        cell = voxel or max(smaller / _CELLS, 2 * spacing)
        matrix, score = _best(grown, fixed, cell, scale)
        if matrix is not None and score > best_score:
            best, best_score, size = matrix, score, cell
            best[:3, :3] *= factor
        if score > 0.9:
            break  # all of both lies on the other: no size is better
    if best is None:
        raise NumericalFailure(
            "no motion lays the surfaces on one another: they overlap too little, or the cells of the thinned points "
            "do not suit them; give another `voxel`"
        )
    return align(moving, fixed, best, "plane", "tukey", scale, 1.5 * size, 60)


def _spread(scan: ScanPoints) -> float:
    return float((scan.points - scan.points.mean(0)).norm(dim=1).mean())


def _best(moving: ScanPoints, fixed: ScanPoints, size: float, scale: bool) -> tuple[Tensor | None, float]:
    """The matrix that lays most of the surfaces on one another, or None, and how much."""
    source, target = _coarse(moving, size), _coarse(fixed, size)
    some, others = _some(moving), _some(fixed)
    tree, back = PointTree(fixed.points), PointTree(moving.points)
    best, best_score = None, -1.0
    for start in _starts(source, target, size):
        try:
            found = align(source, target, start, "plane", "tukey", scale, 2 * size, 30, finest=size).matrix
        except NumericalFailure:
            continue
        score = _contact(some, fixed, tree, found, size)
        if scale:
            # A source shrunk into a corner of the target lies on it with every point.
            shrunk = size / float(found[:3, 0].norm())
            score = min(score, _contact(others, moving, back, torch.linalg.inv(found), shrunk))
        if score > best_score:
            best, best_score = found.clone(), score
    return best, best_score


def _some(scan: ScanPoints) -> ScanPoints:
    """About two thousand of the points, evenly."""
    step = max(len(scan.points) // 2000, 1)
    return ScanPoints(scan.points[::step], scan.normals[::step])


def _contact(source: ScanPoints, target: ScanPoints, tree: PointTree, matrix: Tensor, size: float) -> float:
    """The share of source points in the planes of the target, whose points are near.

    Their distance from the planes counts: one part of a round body can lie near another, but not in its planes.
    """
    moved = transform_points(source.points, matrix)
    distances, indices = tree.nearest(1, moved)
    normals = target.normals[indices[:, 0]]
    turned = torch.nn.functional.normalize(source.normals @ matrix[:3, :3].T, dim=1)
    holds = (distances[:, 0] < size) & ((turned * normals).sum(1).abs() > 0.7)
    off = ((moved - target.points[indices[:, 0]]) * normals).sum(1) / (0.25 * size)
    return float(((1 - off.square()).clamp_min(0) * holds).mean())


def _coarse(scan: ScanPoints, size: float) -> ScanPoints:
    """Thinned, with the planes of the thinned points: both surfaces are then seen equally smooth."""
    points = thinned(scan, size).points
    return ScanPoints(points, local_planes(points, 12).normals)


def _starts(source: ScanPoints, target: ScanPoints, size: float) -> Tensor:
    """(H, 4, 4) the motions to refine, the best first."""
    left, right = _pairs(fpfh(source, 5 * size), fpfh(target, 5 * size))
    tried = hypotheses(
        source.points[left], target.points[right], source.normals[left], target.normals[right], 1.5 * size
    )
    tried = distinct(tried, source.box, 5 * size, 40)
    tree = PointTree(target.points)
    scores = torch.tensor([_contact(source, target, tree, matrix, 2 * size) for matrix in tried])
    return tried[scores.argsort(descending=True, stable=True)[:_MOST_STARTS]]


def _pairs(source: Tensor, target: Tensor) -> Tensor:
    """(2, C) indices of points that look alike: the best of each way, those best both ways first."""
    apart = torch.cdist(source, target)
    forth, back = apart.argmin(1), apart.argmin(0)
    here, there = torch.arange(len(source)), torch.arange(len(target))
    mutual = back[forth] == here
    other = forth[back] == there
    both = torch.stack([here[mutual], forth[mutual]])
    single = torch.cat(
        [torch.stack([here[~mutual], forth[~mutual]]), torch.stack([back[~other], there[~other]])], dim=1
    )
    order = apart[single[0], single[1]].argsort(stable=True)
    return torch.cat([both, single[:, order]], dim=1)[:, :_MOST_PAIRS]
