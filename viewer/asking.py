"""Where a place of one shape is on the other."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.geometry import Mesh
from geokit.pipelines.map_errors import map_errors
from geokit.pipelines.map_file import PointMap


@dataclass(frozen=True)
class Asked:
    """A vertex of the first (side 0) or second (side 1) shape and the vertices of the other that it corresponds to.

    true: the vertex of the first shape that a vertex of the second belongs to, where that is known.
    """

    side: int
    vertex: int
    images: tuple[int, ...]
    true: int | None = None


def ask(point_map: PointMap, first: Mesh, known: Tensor | None, side: int, vertex: int) -> Asked:
    """What a vertex corresponds to; known: (L, 2) vertices of the first and the second shape that belong together.

    From the second shape to the first goes the map; back goes the map of the other direction, if it is known, else to
    all vertices that go there, else to the one that goes nearest.
    """
    if side == 1:
        found = [] if known is None else known[known[:, 1] == vertex, 0].tolist()
        return Asked(1, vertex, (int(point_map.p2p_21[vertex]),), found[0] if found else None)
    if point_map.p2p_12 is not None:
        return Asked(0, vertex, (int(point_map.p2p_12[vertex]),))
    images = (point_map.p2p_21 == vertex).nonzero()[:, 0]
    if not len(images):
        vertices = first.vertices.double()
        images = (vertices[point_map.p2p_21] - vertices[vertex]).norm(dim=1).argmin()[None]
    return Asked(0, vertex, tuple(images.tolist()))


def answer(asked: Asked, point_map: PointMap, first: Mesh, names: tuple[str, str]) -> str:
    """What was asked and found, in a sentence with the names of the shapes."""
    image = asked.images[0]
    said = f"vertex {asked.vertex:,} of {names[asked.side]} → {image:,} of {names[1 - asked.side]}"
    if asked.side == 0 and point_map.p2p_12 is None:
        if int(point_map.p2p_21[image]) != asked.vertex:
            return f"{said}, which goes nearest: nothing goes exactly there"
        more = len(asked.images) - 1
        return said + (f" and {more:,} more that go there" if more else "")
    if asked.true is None:
        return said
    off = map_errors(point_map.p2p_21, first, torch.tensor([[asked.true, asked.vertex]]))
    return f"{said}; true is {asked.true:,} (green), error {off.mean:.1f}"
