"""Tips of a shape (heads, hands, feet, tails), and which tips of two shapes may correspond.

The average geodesic distance is largest at the ends of limbs, and deforming the shape hardly changes it (Zhang et al.,
"Deformation-driven shape correspondence", 2008, assign such ends by pruned search; here a beam keeps the time bounded).
"""

from dataclasses import dataclass

import torch
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.geometry.topology import half_edges

MOST_TIPS = 8
_REACH = 0.16  # a tip is higher than all samples so near, in units of the square root of the area
_APART = 0.2
_UNMATCHED = 0.15  # the relative difference of distances at which a tip is better left out
_BEAM = 800


@dataclass(frozen=True)
class Tips:
    """T tips. vertices: (T,). distances: (T, N) along the edges from each. heights: (T,) average geodesic distances."""

    vertices: Tensor
    distances: Tensor
    heights: Tensor

    def __len__(self) -> int:
        return len(self.vertices)


def edge_distances(mesh: Mesh, sources: Tensor, limit: float = torch.inf) -> Tensor:
    """(S, N) float64 shortest ways along the edges from vertices (S,); between pieces, twice the longest there is.

    limit: ways longer than this are infinite.
    """
    edges = half_edges(mesh.faces).edges
    lengths = (mesh.vertices[edges[:, 0]] - mesh.vertices[edges[:, 1]]).double().norm(dim=1).clamp(min=1e-12)
    count = len(mesh.vertices)
    graph = SparseMatrix.from_triplets(edges[:, 0], edges[:, 1], lengths, (count, count)).to_scipy()
    found = torch.from_numpy(dijkstra(graph, directed=False, indices=sources.numpy(), limit=limit))
    apart = found.isinf()
    if limit < torch.inf or not bool(apart.any()):
        return found
    longest = found[~apart].max() if bool((~apart).any()) else found.new_tensor(1.0)
    return torch.where(apart, 2 * longest, found)


def find_tips(mesh: Mesh, heights: Tensor, samples: Tensor) -> Tips:
    """At most `MOST_TIPS` local maxima of heights (N,), the average geodesic distances, the highest first."""
    between = edge_distances(mesh, samples, _REACH)
    around = torch.where(between[:, samples] < _REACH, heights[samples], -torch.inf)
    highest = heights[samples] >= around.amax(1)
    own = torch.where(between[highest] < _REACH / 2, heights, -torch.inf).argmax(1).unique()
    own = own[heights[own].argsort(descending=True, stable=True)]
    ways = edge_distances(mesh, own) if len(own) else heights.new_zeros(0, len(heights))
    kept: list[int] = []
    for tip in range(len(own)):
        if len(kept) < MOST_TIPS and all(float(ways[tip, own[other]]) > _APART for other in kept):
            kept.append(tip)
    return Tips(own[kept], ways[kept], heights[own[kept]])


def assign_tips(tips1: Tips, tips2: Tips, count: int) -> list[list[tuple[int, int]]]:
    """The `count` best assignments, the best first: lists of pairs of a tip of shape 1 and one of shape 2.

    An assignment costs the relative differences of average distances and of distances between the tips, and a fixed
    price for a tip of shape 1 that stays alone. The best `_BEAM` beginnings are kept as the tips of shape 1 come in.
    """
    few = min(3, len(tips1), len(tips2))
    if few < 2:
        return []
    ways1, ways2 = (tips.distances[:, tips.vertices].tolist() for tips in (tips1, tips2))
    heights1, heights2 = tips1.heights.tolist(), tips2.heights.tolist()
    states: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for tip, height in enumerate(heights1):
        longer = [(cost + _UNMATCHED, (*chosen, -1)) for cost, chosen in states]
        for cost, chosen in states:
            earlier = [(before, other) for before, other in enumerate(chosen) if other >= 0]
            for other in set(range(len(tips2))).difference(chosen):
                apart = _difference(height, heights2[other])
                apart += sum(_difference(ways1[tip][i], ways2[other][j]) for i, j in earlier) / max(len(earlier), 1)
                longer.append((cost + apart / 2, (*chosen, other)))
        states = sorted(longer)[:_BEAM]
    lists = ([(tip, other) for tip, other in enumerate(chosen) if other >= 0] for _, chosen in states)
    return [pairs for pairs in lists if len(pairs) >= few][:count]


def _difference(a: float, b: float) -> float:
    return 2 * abs(a - b) / max(a + b, 1e-12)
