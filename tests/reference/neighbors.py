"""Neighbours and samples by the definition: every distance, in the arithmetic that the native kernels promise."""

import numpy as np
import torch
from torch import Tensor


def squared_distances(points: Tensor, queries: Tensor | None = None) -> Tensor:
    """(Q, N), each operation rounded to the dtype; without queries between the points, infinite to themselves."""
    x, y, z = ((points if queries is None else queries)[:, None] - points[None]).unbind(-1)
    squares = (x * x + y * y) + z * z
    return squares.fill_diagonal_(torch.inf) if queries is None else squares


def root(squares: Tensor) -> Tensor:
    """The correctly rounded square root, which torch's vectors do not promise."""
    return torch.from_numpy(np.sqrt(squares.numpy()))


def nearest(points: Tensor, k: int, queries: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances and indices (Q, k), equal distances by index."""
    squares, indices = squared_distances(points, queries).sort(dim=1, stable=True)
    return root(squares[:, :k]), indices[:, :k]


def within(points: Tensor, radius: float, queries: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets, indices ascending, distances."""
    squares = squared_distances(points, queries)
    owners, indices = (squares <= squares.new_tensor(radius).square()).nonzero(as_tuple=True)
    offsets = torch.cat((torch.zeros(1, dtype=torch.int64), owners.bincount(minlength=len(squares)).cumsum(0)))
    return offsets, indices, root(squares[owners, indices])


def farthest(points: Tensor, count: int, start: int) -> list[int]:
    """The plain algorithm: every distance after every choice; the lowest index among equals, no point twice."""
    squares, chosen = points.new_full((len(points),), torch.inf), [start]
    for _ in range(count - 1):
        squares = torch.minimum(squares, squared_distances(points, points[chosen[-1] :][:1])[0])
        squares[chosen] = -1
        chosen.append(int((squares == squares.max()).nonzero()[0]))
    return chosen


def voxels(points: Tensor, size: float) -> dict[tuple[int, ...], list[int]]:
    """The indices of the points in every occupied cell, cells in ascending order."""
    cells: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate((points.double() / size).floor().long().tolist()):
        cells.setdefault(tuple(row), []).append(index)
    return dict(sorted(cells.items()))
