"""The solid that a mesh encloses, and exact distances to its boundary, also where the mesh is open or cuts itself."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.distance_caps import caps
from geokit.geometry.distance import Bvh, closest_points, winding_number
from geokit.geometry.mesh import Mesh

_ASIDE = 1e-5  # of the extent: how far above a face its winding number is asked for
_SHEET = 0.005  # winding numbers behind a face above 1/2: no more behind a flat sheet, which encloses nothing
_CUTS = 4  # times that a face which is partly hidden is cut into four
_PROBES = ((1 / 3, 1 / 3, 1 / 3), (0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.05, 0.05, 0.9))


@dataclass(frozen=True)
class Solid:
    """A mesh, the boundary of where its winding number is above 1/2, and trees over both.

    boundary: the faces across which the winding number passes 1/2, and caps over the holes of the mesh; the mesh itself
    where there is no sign. around: None without a sign.
    """

    boundary: Mesh
    tree: Bvh
    around: Bvh | None

    @classmethod
    def of(cls, mesh: Mesh, signed: bool, cell: float) -> "Solid":
        """The solid of a mesh with at least one face; holes are capped to the accuracy of `cell`, a length.

        Raises `InvalidInput` where the mesh encloses nothing.
        """
        if not signed:
            return cls(mesh, Bvh(mesh), None)
        around = Bvh(mesh)
        boundary = _seen(mesh, around)
        if not len(boundary):
            raise InvalidInput(
                "the mesh encloses nothing: nowhere is its winding number above 1/2; turn its faces outward "
                "(geokit.geometry.repair_mesh), or fit an unsigned distance (signed=False)"
            )
        boundary = _joined(boundary, caps(mesh, around, cell))
        return cls(boundary, Bvh(boundary), around)

    def distances(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) distances, negative inside, and (N, 3) their gradients at places (N, 3)."""
        found = closest_points(self.tree, places)
        away = places - found.points
        slopes = away / found.distances.clamp_min(torch.finfo(places.dtype).tiny)[:, None]
        if self.around is None:
            return found.distances, slopes
        sign = torch.where(winding_number(self.around, places) > 0.5, -1.0, 1.0).to(places)
        return sign * found.distances, sign[:, None] * slopes


def _seen(mesh: Mesh, around: Bvh) -> Mesh:
    """The faces with the outside in front of them and the inside behind, those that are so in part being cut."""
    places, faces = mesh.vertices, mesh.faces[mesh.face_areas() > 0]
    kept = [faces[:0]]
    probes = places.new_tensor(_PROBES)
    for left in range(_CUTS, -1, -1):
        corners = places[faces]
        above = Mesh(places, faces).face_normals() * (_ASIDE * mesh.extent)
        asked = probes[:1] if not left else probes
        queries = torch.einsum("pc,fcd->fpd", asked, corners) + above[:, None]
        # The winding number falls by 1 across a face: it passes 1/2 if it is between -1/2 and 1/2 in front.
        front = winding_number(around, queries.reshape(-1, 3)).reshape(len(faces), -1)
        seen = (front < 0.5) & (front > _SHEET - 0.5)
        kept.append(faces[seen.all(1)])
        mixed = seen.any(1) & ~seen.all(1)
        if not bool(mixed.any()):
            break
        places, faces = _quartered(places, faces[mixed])
    return Mesh(places, torch.cat(kept))


def _quartered(places: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    a, b, c = places[faces].unbind(1)
    more = torch.cat([(a + b) / 2, (b + c) / 2, (c + a) / 2])
    count = torch.arange(len(faces), device=faces.device) + len(places)
    ab, bc, ca = count, count + len(faces), count + 2 * len(faces)
    i, j, k = faces.unbind(1)
    quarters = torch.cat([torch.stack(t, 1) for t in ((i, ab, ca), (ab, j, bc), (ca, bc, k), (ab, bc, ca))])
    return torch.cat([places, more]), quarters


def _joined(first: Mesh, second: Mesh) -> Mesh:
    faces = torch.cat([first.faces, second.faces + len(first.vertices)])
    return Mesh(torch.cat([first.vertices, second.vertices]), faces)
