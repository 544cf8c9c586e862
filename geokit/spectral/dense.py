"""A map between coarse meshes carried to all vertices of the dense ones that they were taken from."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.coarse import CoarseMesh, edge_graph

_RING = 2  # coarse edges by which a coarse match may be wrong


def extend_map(
    queries: Tensor, targets: Tensor, from_coarse: CoarseMesh, to_coarse: CoarseMesh, coarse_map: Tensor
) -> Tensor:
    """(V,) int64, for every vertex of a dense shape the vertex of another that is nearest in an embedding of both.

    queries: (V, K) rows of the dense shape `from_coarse` was made of, targets: (V', K) rows of the other. coarse_map:
    (S,) int64, the coarse vertex of `to_coarse` that each of `from_coarse` goes to. Only vertices in the cells around
    the images of a query's own cell and of those beside it are looked at: a search among all would cost V V' K, and
    may leave the part of the shape that the coarse map chose.
    """
    cells = _cells_to_search(from_coarse.mesh, to_coarse.mesh, coarse_map)
    members, starts = _members(to_coarse)
    order, query_starts = _members(from_coarse)
    queries, targets = queries.to(torch.float32), targets.to(torch.float32)
    norms = targets.square().sum(1)
    found = torch.zeros(len(queries), dtype=torch.int64)
    for cell, wanted in enumerate(cells):
        asking = order[query_starts[cell] : query_starts[cell + 1]]
        candidates = torch.cat([members[starts[c] : starts[c + 1]] for c in wanted])
        # The squared norm of a query is the same for all candidates.
        distances = torch.addmm(norms[candidates], queries[asking], targets[candidates].T, alpha=-2)
        found[asking] = candidates[distances.argmin(1)]
    return found


def _members(coarse: CoarseMesh) -> tuple[Tensor, list[int]]:
    """Dense vertices in the order of their cells, and where each cell begins and ends among them."""
    order = torch.argsort(coarse.cell, stable=True)
    counts = torch.bincount(coarse.cell, minlength=len(coarse.samples))
    return order, [0, *counts.cumsum(0).tolist()]


def _cells_to_search(source: Mesh, target: Mesh, coarse_map: Tensor) -> list[Any]:
    """For every vertex of `source` those within _RING edges of the images of itself and its neighbours."""
    from scipy.sparse import csr_array

    count = len(coarse_map)
    image = csr_array((np.ones(count, dtype=bool), coarse_map.numpy(), np.arange(count + 1)))
    image.resize(count, len(target.vertices))
    around = _neighborhood(target)
    reach = _neighborhood(source) @ image
    for _ in range(_RING):
        reach = reach @ around
    return np.split(reach.indices, reach.indptr[1:-1])


def _neighborhood(mesh: Mesh) -> Any:
    """scipy.sparse.csr_array (V, V) of bool: each vertex, and those an edge away."""
    from scipy.sparse import eye_array

    return (edge_graph(mesh).astype(bool) + eye_array(len(mesh.vertices), dtype=bool)).tocsr()
