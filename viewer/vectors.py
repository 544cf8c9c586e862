"""Vector fields on a mesh, and arrows that show them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.geometry import PointTree, farthest_points
from geokit.spectral.gradients import Gradients, tangent_frames, vertex_gradients

from .values import MeshValues

FIELDS = ("none", "gradient", "largest curvature", "smallest curvature", "normals")
MOST = 3000  # arrows
_HEAD, _HALF_WIDTH = 0.3, 0.14  # of an arrow's length
_LEAST = 0.04  # of that length: what is shorter would be a dot
_TYPICAL = 0.95  # of the vectors are not longer than the length that is asked for


class MeshVectors:
    """The vector fields of a mesh, each computed when first asked for and kept."""

    def __init__(self, values: MeshValues) -> None:
        self._values = values

    @cached_property
    def normals(self) -> NDArray[np.float64]:
        """(V, 3) unit normals."""
        return self._values.mesh.vertex_normals().numpy()

    @cached_property
    def _gradients(self) -> Gradients:
        return vertex_gradients(self._values.mesh)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Vertices that faces use, each far from those before."""
        used = torch.unique(self._values.mesh.faces)
        count = min(MOST, len(used))
        return used[farthest_points(PointTree(self._values.mesh.vertices[used]), count)].numpy()

    def field(self, name: str, numbers: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """(V, 3) the vectors of one of `FIELDS`, zero where there is none. numbers: (V,) whose gradient it is.

        Raises `InvalidInput` for a gradient of nothing, and a name that is no field's.
        """
        if name == "normals":
            return self.normals
        if name in ("largest curvature", "smallest curvature"):
            return self._values.bending.directions[:, FIELDS.index(name) - 2].numpy()
        if name != "gradient":
            raise InvalidInput(f"there is no vector field {name!r}; choose one of {', '.join(FIELDS[1:])}")
        if numbers is None:
            raise InvalidInput("a gradient is that of values: choose which ones to show first")
        found = self._gradients.vectors(self._gradients(torch.from_numpy(numbers))).numpy()
        return np.where(np.isfinite(found).all(1, keepdims=True), found, 0)

    def arrows(
        self, name: str, numbers: NDArray[np.float64] | None, count: int, length: float, lift: float = 0.0
    ) -> NDArray[np.float64]:
        """(N, 2, 3) segments that draw the field at `count` vertices, evenly over the surface.

        length: of the longest but a few, lift: above the surface, both in the unit of the mesh. Directions of
        curvature have no head; where the field is nearly zero there is no arrow.
        """
        vectors = self.field(name, numbers)
        sizes = np.linalg.norm(vectors, axis=1)
        typical = float(np.quantile(sizes, _TYPICAL)) or float(sizes.max()) or 1.0
        chosen = self._order[:count]
        shortened = np.minimum(1, typical / np.maximum(sizes[chosen], 1e-300))
        some = vectors[chosen] * (shortened * length / typical)[:, None]
        there = np.linalg.norm(some, axis=1) > _LEAST * length
        normals = self.normals[chosen][there]
        places = self._values.mesh.vertices.numpy()[chosen][there] + lift * normals
        return arrow_segments(places, some[there], normals, heads="curvature" not in name)


def arrow_segments(
    places: NDArray[np.float64], vectors: NDArray[np.float64], normals: NDArray[np.float64], heads: bool = True
) -> NDArray[np.float64]:
    """(3N, 2, 3) shafts from `places` (N, 3) along `vectors` (N, 3), then the two strokes of each head, flat on the
    surface with `normals` (N, 3); without heads (N, 2, 3), the middle of each at its place."""
    if not heads:
        return np.stack([places - vectors / 2, places + vectors / 2], 1)
    tips = places + vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    aside = np.cross(normals, vectors)
    upright = np.linalg.norm(aside, axis=1, keepdims=True) < 1e-3 * lengths
    any_side = tangent_frames(torch.from_numpy(vectors / np.maximum(lengths, 1e-300)))[:, 0].numpy() * lengths
    aside = np.where(upright, any_side, aside)
    aside *= _HALF_WIDTH * lengths / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-300)
    back = tips - _HEAD * vectors
    strokes = ((places, tips), (tips, back + aside), (tips, back - aside))
    return np.concatenate([np.stack(ends, 1) for ends in strokes])
