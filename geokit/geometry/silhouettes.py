"""The edges of a mesh, each with the faces on its two sides."""

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor


def mesh_edges(faces: Tensor) -> Tensor:
    """Every edge of the faces (F, 3) once: (E, 4) int64, sorted by its two vertices, the lower first.

    The third and fourth columns are the vertices opposite the edge in its first and in its second face, -1 where there
    is no second: what `antialias` needs to know a silhouette. Of an edge with more than two faces the first two count.
    """
    check_tensor("faces", faces, ("F", 3), torch.int64)
    if not len(faces):
        return faces.new_zeros(0, 4)
    start, end, opposite = (faces.roll(-k, 1).reshape(-1) for k in range(3))
    real = start != end
    low, high, opposite = torch.minimum(start, end)[real], torch.maximum(start, end)[real], opposite[real]
    key, order = torch.sort(low * (int(faces.max()) + 1) + high, stable=True)
    low, high, opposite = low[order], high[order], opposite[order]
    first = torch.ones_like(key, dtype=torch.bool)
    first[1:] = key[1:] != key[:-1]
    place = first.nonzero()[:, 0]
    follower = (place + 1).clamp_max(len(key) - 1)
    paired = (follower > place) & ~first[follower]
    second = torch.where(paired, opposite[follower], -1)
    return torch.stack([low[place], high[place], opposite[place], second], dim=1)
