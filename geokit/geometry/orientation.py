"""One side for all normals of a cloud."""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from torch import Tensor

_ALONG = 0.5  # what it costs to step along a normal: two sides of a plate are neighbours, but no neighbouring surface
_LEAST = 1e-6  # a sparse matrix takes a weight of zero for no edge
_GRAPH = 16  # neighbours that the graph keeps; more only take memory


def orient_normals(points: Tensor, normals: Tensor, ids: Tensor) -> Tensor:
    """The normals (N, 3) with their signs changed so that neighbours agree and every surface looks outward.

    ids: (N, k) the nearest neighbours of every point, nearest first. Signs spread along the minimum spanning tree of
    the graph of neighbours (Hoppe et al. 1992). Two points agree when one normal, mirrored in the plane half-way
    between them, looks to the side of the other: exact on spheres and planes, right across edges and around thin parts
    (Koenig and Gumhold 2009). Every connected part then encloses a positive volume.
    """
    where, arrows = points.detach().cpu().double().numpy(), normals.detach().cpu().double().numpy()
    near = ids[:, :_GRAPH].cpu().numpy()
    count, degree = near.shape
    starts = np.arange(0, count * degree + 1, degree)
    weights = np.empty(near.shape)
    for first in range(0, count, 1 << 16):
        rows = slice(first, first + (1 << 16))
        agreement, along = _agreement(where, arrows, np.arange(count)[rows, None], near[rows])
        weights[rows] = 1 - np.abs(agreement) + _ALONG * along + _LEAST
    graph = csr_array((weights.reshape(-1), near.reshape(-1), starts), shape=(count, count))
    tree = minimum_spanning_tree(graph).tocoo()
    parts, part = connected_components(tree, directed=False)

    signs = _spread(where, arrows, tree.row, tree.col, parts, part)
    arrows = arrows * signs[:, None]
    signs *= _outward(where, arrows, near, parts, part)[part]
    return normals * torch.from_numpy(signs).to(normals)[:, None]


def _agreement(where: np.ndarray, arrows: np.ndarray, i: np.ndarray, j: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cosine between normal j and the mirrored normal i, and how much the step from i to j goes along both."""
    step = where[j] - where[i]
    step /= np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), 1e-300)
    at_i, at_j = (step * arrows[i]).sum(-1), (step * arrows[j]).sum(-1)
    return (arrows[i] * arrows[j]).sum(-1) - 2 * at_i * at_j, (at_i**2 + at_j**2) / 2


def _spread(
    where: np.ndarray, arrows: np.ndarray, a: np.ndarray, b: np.ndarray, parts: int, part: np.ndarray
) -> np.ndarray:
    """Signs (N,) that make the ends of every edge (a, b) of a forest agree, +1 at one point of every part."""
    count = len(where)
    roots = np.unique(part, return_index=True)[1]
    rows, columns = np.concatenate([a, np.full(parts, count)]), np.concatenate([b, roots])
    joined = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count + 1, count + 1))
    parents = breadth_first_order(joined, count, directed=False)[1].astype(np.int64)
    parents[count] = count
    signs = np.ones(count + 1)
    below = np.flatnonzero(parents[:count] != count)
    signs[below] = np.where(_agreement(where, arrows, below, parents[below])[0] < 0, -1.0, 1.0)
    while (parents != count).any():  # every round doubles the way to the ancestor that the sign is relative to
        signs *= signs[parents]
        parents = parents[parents]
    return signs[:count]


def _outward(where: np.ndarray, arrows: np.ndarray, near: np.ndarray, parts: int, part: np.ndarray) -> np.ndarray:
    """(parts,) -1 for parts that enclose a negative volume (divergence theorem), else 1."""
    areas = np.square(np.linalg.norm(where[near[:, -1]] - where, axis=1))  # in proportion to a point's share
    sizes = np.maximum(np.bincount(part, areas, parts), 1e-300)
    centers = np.stack([np.bincount(part, areas * where[:, axis], parts) for axis in range(3)], axis=1) / sizes[:, None]
    volumes = np.bincount(part, areas * ((where - centers[part]) * arrows).sum(1), parts)
    return np.where(volumes < 0, -1.0, 1.0)
