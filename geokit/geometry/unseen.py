"""A reconstructed surface without what goes far from the points it was made of."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import PointTree
from geokit.geometry.topology import submesh

_CHUNK = 1 << 20  # vertices whose nearest points are looked for at once
_NEAR = 1.0  # in reaches; what is nearer to the points was seen


def cut_unseen(mesh: Mesh, points: Tensor, reach: Tensor, trim: float, rims: bool = False) -> Mesh:
    """Without the connected regions far from the points that somewhere go further than `trim` from them.

    Distances are relative to the reach (N,) of the nearest of the points (N, 3), such as its radius of 16 neighbours,
    so that sparse places are not cut. rims: cut also those that end in a rim of the mesh, and so close no hole.
    """
    tree, parts = PointTree(points), [reach[:0]]
    for some in mesh.vertices.split(_CHUNK):
        distances, ids = tree.nearest(1, some)
        parts.append(distances[:, 0] / reach[ids[:, 0]])
    relative = torch.cat(parts)
    far = relative > min(_NEAR, trim)
    number, count = far.cumsum(0) - 1, int(far.sum())  # only what is far is looked at: it is little
    pairs = mesh.faces[far[mesh.faces].sum(1) >= 2][:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges = number[pairs[far[pairs].all(1)]].cpu().numpy()
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    regions, region = connected_components(graph, directed=False)
    furthest = np.zeros(regions)
    np.maximum.at(furthest, region, relative[far].cpu().numpy())
    if rims:
        ends, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
        furthest[region[ends[uses == 1].reshape(-1)]] = np.inf
    cut = far.clone()
    cut[far] = torch.from_numpy(furthest[region] > trim).to(far.device)
    return submesh(mesh, ~cut[mesh.faces].any(1)) if bool(cut.any()) else mesh
