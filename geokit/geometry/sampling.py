"""Fewer points: the farthest from each other, or one a cell of a grid."""

import math

import torch
from torch import Tensor

from geokit.backend import neighbors_ops
from geokit.errors import InvalidInput
from geokit.geometry.neighbors import PointTree
from geokit.geometry.point_cloud import PointCloud


def farthest_points(points: Tensor | PointTree, count: int, start: int = 0) -> Tensor:
    """Indices (count,) int64 of a sample that covers points (N, 3) evenly: farthest-point sampling.

    It begins with `start` and goes on with the point farthest from all chosen before (Eldar et al. 1997, "The farthest
    point strategy for progressive image sampling"), of the lowest index among equals, and no point twice: exactly what
    the plain algorithm of N * count distances gives, but whole boxes of points that a new choice cannot reach are left
    out. Raises `InvalidInput` if count is not in 1..N or start not in 0..N-1, and for wrong points.

    >>> farthest_points(torch.tensor([[0.0, 0, 0], [1, 0, 0], [5, 0, 0], [2, 0, 0]]), 3).tolist()
    [0, 2, 3]
    """
    tree = points if isinstance(points, PointTree) else PointTree(points)
    if not 1 <= count <= len(tree):
        raise InvalidInput(f"count must be between 1 and the number of points, {len(tree):,}, got {count}")
    if not 0 <= start < len(tree):
        raise InvalidInput(f"start must be the index of one of {len(tree):,} points, got {start}")
    return neighbors_ops.farthest(tree.points, tree.arrays, count, start)


def voxel_downsample(cloud: PointCloud, size: float) -> PointCloud:
    """One point for every occupied cell of a grid of cubes of edge `size` (in the cloud's unit).

    Points, colours and features are the means over the cell, normals the normalised mean (where normals cancel, that of
    the cell's first point). The grid is anchored at the origin: cell (i, j, k) begins at (i, j, k) * size, so that two
    clouds share it. Cells come in ascending order of (i, j, k). Differentiable by every field. Raises `InvalidInput` if
    size is not positive and finite, or so small that the cells cannot be numbered by 64-bit integers.
    """
    if not 0 < size < math.inf:
        raise InvalidInput(f"size must be positive and finite, got {size}")
    if not len(cloud):
        return cloud
    groups, first = neighbors_ops.voxel_groups(cloud.points, size)
    count = len(first)
    means = {name: _group_means(values, groups, count) for name, values in cloud.tensors().items()}
    if cloud.normals is not None:
        lengths = means["normals"].norm(dim=1, keepdim=True)
        cancelled = lengths < 1e-6
        unit = means["normals"] / lengths.masked_fill(cancelled, 1)
        means["normals"] = torch.where(cancelled, cloud.normals[first], unit)
    return PointCloud(**means)


def _group_means(values: Tensor, groups: Tensor, count: int) -> Tensor:
    """(count, C) means of the rows of each group, summed in float64."""
    sums = torch.zeros(count, values.shape[1], dtype=torch.float64, device=values.device)
    sums = sums.index_add(0, groups, values.double())
    return (sums / groups.bincount(minlength=count)[:, None]).to(values.dtype)
