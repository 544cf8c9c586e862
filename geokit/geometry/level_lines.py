"""Lines on a mesh along which a function has one value."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_one_device, check_tensor
from geokit.geometry.mesh import Mesh


@dataclass(frozen=True)
class LevelLines:
    """N segments. ends: (N, 2, 3). face_ids: (N,) int64, the face that each crosses. level_ids: (N,) int64."""

    ends: Tensor
    face_ids: Tensor
    level_ids: Tensor

    def __len__(self) -> int:
        return len(self.ends)


def level_lines(mesh: Mesh, values: Tensor, levels: Tensor) -> LevelLines:
    """Where the function that is linear in every face, with `values` (V,) at the vertices, equals each of `levels`.

    Exact, one segment a face and level (L,). Vertices at a level count as below it, so lines neither end nor double
    there; where the function is constant there are none. Faces with a value that is not finite are left out.
    float64. Raises `InvalidInput` for values that are not one a vertex.
    """
    check_tensor("values", values, (len(mesh.vertices),), FLOATS)
    check_tensor("levels", levels, ("L",), FLOATS)
    check_one_device(mesh=mesh.vertices, values=values, levels=levels)
    places, corners = mesh.vertices.detach().double(), values.detach().double()[mesh.faces]
    known = corners.isfinite().all(1)
    lowest, highest = corners.amin(1), corners.amax(1)
    ends, face_ids, level_ids = [places.new_zeros(0, 2, 3)], [mesh.faces.new_zeros(0)], [mesh.faces.new_zeros(0)]
    for number, level in enumerate(levels.detach().double()):
        crossed = (known & (lowest <= level) & (highest > level)).nonzero()[:, 0]
        above = corners[crossed] > level
        start = (above != above.roll(-1, 1)).nonzero()[:, 1].reshape(-1, 2)  # of the two edges that are crossed
        stop = (start + 1) % 3
        own = corners[crossed]
        first, last = own.gather(1, start), own.gather(1, stop)
        share = ((level - first) / (last - first))[..., None]
        faces = mesh.faces[crossed]
        here, there = places[faces.gather(1, start)], places[faces.gather(1, stop)]
        ends.append(here * (1 - share) + there * share)
        face_ids.append(crossed)
        level_ids.append(torch.full_like(crossed, number))
    return LevelLines(torch.cat(ends), torch.cat(face_ids), torch.cat(level_ids))
