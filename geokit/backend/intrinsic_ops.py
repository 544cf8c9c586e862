"""Intrinsic Delaunay triangulations of meshes, and the pattern of their matrices.

The contract is that of cuda_ext/mesh/intrinsic.h.
"""

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, plain


@custom_op("geokit::intrinsic_delaunay")
def intrinsic_delaunay(vertices: Tensor, faces: Tensor, slack: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Faces (G, 3), lengths (G, 3) of their sides, cotangents (G, 3) at their corners and doubled areas (G,).

    vertices: (V, 3) float64. G is F where every edge of `faces` (F, 3) has two sides of opposite directions, and 2F,
    of the tufted cover, elsewhere. slack: by which triangle inequalities hold, relative to the mean length of the
    edges. Without a gradient: flips choose.
    """
    places, faces = plain(vertices, faces)
    lengths = places.new_empty(len(faces), 3)
    _native.mollified_lengths(faces, places, slack, lengths)
    glue = faces.new_empty(len(faces), 3)
    if _native.glue_closed(faces, len(places), glue):
        cover = faces.clone()
    else:
        cover, glue = faces.new_empty(2 * len(faces), 3), faces.new_empty(2 * len(faces), 3)
        _native.glue_tufted(faces, places, cover, glue)
        lengths = torch.cat([lengths, lengths.flip(1)])
    _native.flip_to_delaunay(cover, lengths, glue)
    cotangents, doubled = torch.empty_like(lengths), lengths.new_empty(len(lengths))
    _native.length_cotangents(lengths, cotangents, doubled)
    return cover, lengths, cotangents, doubled


@intrinsic_delaunay.register_fake
def _(vertices: Tensor, faces: Tensor, slack: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    sides = vertices.new_empty(count, 3)
    return faces.new_empty(count, 3), sides, sides.new_empty(count, 3), vertices.new_empty(count)


@custom_op("geokit::edge_entries")
def edge_entries(faces: Tensor, vertices: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The pattern of symmetric (V, V) matrices on the vertices and edges of faces (F, 3), row by row, int64.

    offsets (V + 1,); columns (E,), ascending in each row; slots (F, 3, 2): which entries are (i, j) and (j, i) for
    corners i = c and j = c + 1 of a face; diagonal (V,): which are (i, i).
    """
    (faces,) = plain(faces)
    offsets, diagonal = faces.new_empty(vertices + 1), faces.new_empty(vertices)
    columns, slots = faces.new_empty(vertices + 6 * len(faces)), faces.new_empty(len(faces), 3, 2)
    _native.edge_entries(faces, vertices, offsets, columns, slots, diagonal)
    return offsets, columns[: int(offsets[-1])].clone(), slots, diagonal


@edge_entries.register_fake
def _(faces: Tensor, vertices: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    entries = torch.library.get_ctx().new_dynamic_size()
    slots = faces.new_empty(len(faces), 3, 2)
    return faces.new_empty(vertices + 1), faces.new_empty(entries), slots, faces.new_empty(vertices)


@custom_op("geokit::local_stars")
def local_stars(points: Tensor, normals: Tensor, neighbors: Tensor) -> tuple[Tensor, Tensor]:
    """The Delaunay triangles of every point (N, 3) with its neighbours (N, k), seen along its normal (N, 3), float64.

    stars (N, k): the neighbours it is joined to, in order around it, then -1; closed (N,) bool: whether the last and
    the first make a triangle with it too (cuda_ext/mesh/local_stars.h). Without a gradient: it chooses.
    """
    points, normals, neighbors = plain(points, normals, neighbors)
    stars, closed = torch.empty_like(neighbors), neighbors.new_empty(len(points), dtype=torch.int8)
    _native.local_stars(points, normals, neighbors, stars, closed)
    return stars, closed.bool()


@local_stars.register_fake
def _(points: Tensor, normals: Tensor, neighbors: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(neighbors), neighbors.new_empty(len(points), dtype=torch.bool)
