"""One side for all faces of a mesh."""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from geokit.geometry.distance import winding_number
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import half_edges


def face_pairs(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Half-edges (P,) and (P,) of the edges of two faces, the edge (3F,) of every half-edge, the faces (E,) at each."""
    found = half_edges(torch.from_numpy(np.ascontiguousarray(faces)))
    edge_of, counts = found.edge_of.numpy(), found.faces_at_edge.numpy()
    order = np.argsort(edge_of, kind="stable")
    starts = (np.cumsum(counts) - counts)[counts == 2]
    return order[starts], order[starts + 1], edge_of, counts


def agreeing_orientation(places: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool, the faces of a mesh without crowded edges to turn over, so that neighbours agree.

    Every connected piece then encloses a positive volume, or a negative one where it bounds a cavity: where it lies
    inside an odd number of other pieces.
    """
    count = len(faces)
    if not count:
        return np.zeros(0, dtype=bool)
    first, second, _, _ = face_pairs(faces)
    origins = faces.reshape(-1)
    differ = origins[first] == origins[second]  # both run along the edge in one direction
    a, b = first // 3, second // 3
    number, piece = connected_components(csr_array((np.ones(len(a)), (a, b)), shape=(count, count)), directed=False)
    roots = np.unique(piece, return_index=True)[1]
    rows, columns = np.concatenate([a, np.full(number, count)]), np.concatenate([b, roots])
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count + 1, count + 1))
    parents = breadth_first_order(graph, count, directed=False)[1].astype(np.int64)
    parents[count] = count
    pairs = np.concatenate([a * (count + 1) + b, b * (count + 1) + a])
    order = np.argsort(pairs)
    keys, turns = pairs[order], np.concatenate([differ, differ])[order]
    flips = np.zeros(count + 1, dtype=bool)
    below = np.flatnonzero(parents[:count] != count)
    flips[below] = turns[np.searchsorted(keys, below * (count + 1) + parents[below])]
    while (parents != count).any():  # every round doubles the way to the ancestor that a flip is relative to
        flips ^= flips[parents]
        parents = parents[parents]
    flips = flips[:count]
    turned = np.where(flips[:, None], faces[:, ::-1], faces)
    return flips ^ _inward(places, turned, piece, number)[piece]


def _inward(places: np.ndarray, faces: np.ndarray, piece: np.ndarray, number: int) -> np.ndarray:
    """(pieces,) bool, which to turn over as a whole."""
    corners = places[faces]
    lows, highs, volumes = np.empty((number, 3)), np.empty((number, 3)), np.empty(number)
    order = np.argsort(piece, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(piece, minlength=number))[:-1])
    for k, group in enumerate(groups):
        own = corners[group]
        lows[k], highs[k] = own.min((0, 1)), own.max((0, 1))
        a, b, c = np.moveaxis(own - own.mean((0, 1)), 1, 0)
        volumes[k] = (a * np.cross(b, c)).sum()
    inward = volumes < 0
    for k, group in enumerate(groups):
        around = [
            m for m in range(number) if m != k and (lows[m] < lows[k]).all() and (highs[k] < highs[m]).all()
        ] if number < 1000 else []  # fmt: skip
        place = torch.from_numpy(corners[group[0], :1].copy())
        depth = sum(
            abs(float(winding_number(Mesh(torch.from_numpy(places), torch.from_numpy(faces[groups[m]].copy())), place)))
            > 0.5
            for m in around
        )
        inward[k] ^= bool(depth % 2)
    return inward
