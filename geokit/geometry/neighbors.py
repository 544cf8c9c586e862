"""Nearest neighbours among points: exact, on every density, with gradients."""

import math

import torch
from torch import Tensor

from geokit.backend import neighbors_ops
from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput

MOST_NEIGHBORS = 2**31 - 1  # of a radius search: 16 to 24 bytes each


class PointTree:
    """Points (N, 3) with a search tree over them: build it once, ask often; accepted wherever `points` are.

    Its depth depends on the number of points alone, so that outliers, clusters, planes and duplicates are as fast as
    uniform points: on the CPU a k-d tree by rank, on an NVIDIA GPU a tree of boxes along Morton's curve, which is built
    and searched there. Points that require a gradient receive one.
    Raises `InvalidInput` for other shapes or dtypes and values that are not finite or whose squares overflow.
    """

    def __init__(self, points: Tensor) -> None:
        check_tensor("points", points, ("N", 3), FLOATS, finite=True)
        if len(points) > neighbors_ops.MOST_POINTS:
            raise InvalidInput(f"points must be fewer than 2^31, got {len(points):,}: split them")
        self.points = points
        self._check_range("points", points)
        self.arrays = neighbors_ops.point_tree(points)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"PointTree({len(self):,} points, {str(self.points.dtype).removeprefix('torch.')})"

    def nearest(self, k: int, queries: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As `nearest_neighbors`."""
        most = len(self) - (queries is None)
        if not 1 <= k <= most:
            others = "other points" if queries is None else "points"
            raise InvalidInput(f"k must be between 1 and the number of {others}, {most:,}, got {k}")
        return neighbors_ops.nearest(*self._arguments(queries), k, queries is None)

    def within(self, radius: float, queries: Tensor | None = None, most: int = MOST_NEIGHBORS) -> tuple[Tensor, ...]:
        """As `radius_neighbors`."""
        if not 0 < radius < math.inf:
            raise InvalidInput(f"radius must be positive and finite, got {radius}")
        return neighbors_ops.within(*self._arguments(queries), radius, queries is None, most)

    def _arguments(self, queries: Tensor | None) -> tuple[Tensor, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Points, queries, tree and the queries in groups of neighbours, for the operators."""
        points = self.points
        if queries is None:
            return points, points, self.arrays, self.arrays[:2]
        check_tensor("queries", queries, ("Q", 3), self.points.dtype, finite=True)
        self._check_range("queries", queries)
        return points, queries, self.arrays, neighbors_ops.point_tree(queries)[:2]

    @staticmethod
    def _check_range(name: str, values: Tensor) -> None:
        """Squares of differences must neither overflow nor vanish."""
        reach = float(values.detach().abs().amax()) if len(values) else 0.0
        largest, smallest = (1e18, 1e-15) if values.dtype == torch.float32 else (1e150, 1e-140)
        if reach > largest or 0 < reach < smallest:
            dtype = str(values.dtype).removeprefix("torch.")
            raise InvalidInput(f"{name} reach to {reach:g}, whose square is outside the range of {dtype}: scale them")


def nearest_neighbors(points: Tensor | PointTree, k: int, queries: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances (Q, k), ascending, and indices (Q, k) int64 of the k points nearest to each query, exactly.

    points: (N, 3) float32 or float64, or a `PointTree` of them. queries: (Q, 3) of the same dtype; without them every
    point asks for its nearest *other* points: itself is left out by index, a duplicate is a neighbour at distance 0.
    Equal distances are ordered by index. Distances are computed in the dtype of the points; they are differentiable by
    points and queries, with gradient 0 at distance 0. Both devices give the same neighbours.
    Raises `InvalidInput` if fewer than k points are there, and for other shapes, dtypes and values that are not finite.

    >>> points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]])
    >>> nearest_neighbors(points, 1)[1].flatten().tolist()
    [1, 0, 1]
    """
    return _tree(points).nearest(k, queries)


def radius_neighbors(
    points: Tensor | PointTree, radius: float, queries: Tensor | None = None, most: int = MOST_NEIGHBORS
) -> tuple[Tensor, ...]:
    """All points within a radius (inclusive) of each query, as ragged lists: offsets, indices, distances.

    The neighbours of query i are indices[offsets[i]:offsets[i + 1]] at distances[offsets[i]:offsets[i + 1]], in
    ascending order of index (not of distance), as in a sparse matrix. offsets (Q + 1,) and indices (E,) are int64.
    Everything else is as in `nearest_neighbors`. Raises `InvalidInput`, before allocating, if there are more than
    `most` in all.

    >>> points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]])
    >>> offsets, indices, distances = radius_neighbors(points, 1.5)
    >>> offsets.tolist(), indices.tolist()
    ([0, 1, 2, 2], [1, 0])
    """
    return _tree(points).within(radius, queries, most)


def neighbor_distances(points: Tensor, k: int) -> Tensor:
    """(N, min(k, N - 1)) distances of every point to its nearest other points, ascending, without gradient."""
    check_tensor("points", points, ("N", 3), FLOATS, finite=True)
    k = min(k, len(points) - 1)
    if k < 1:
        return points.new_zeros(len(points), 0)
    return nearest_neighbors(points.detach(), k)[0]


def _tree(points: Tensor | PointTree) -> PointTree:
    return points if isinstance(points, PointTree) else PointTree(points)
