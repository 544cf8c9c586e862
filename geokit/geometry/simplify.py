"""Meshes with fewer faces."""

import numpy as np
import torch

from geokit.backend.optional import optional
from geokit.errors import InvalidInput
from geokit.geometry.distance import closest_points
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import submesh


def simplify(mesh: Mesh, faces: int | None = None, ratio: float | None = None) -> Mesh:
    """The mesh with at most about `faces` faces, or `ratio` of what it has, by collapsing edges at the least quadric
    error (Garland and Heckbert 1997, the package fast-simplification).

    Colours are those of the nearest place on the original surface; normals are computed anew where there were any;
    a texture is lost, as its places have no meaning on other faces. Faces that the collapses left without area are
    dropped. Raises `InvalidInput` unless exactly one of the two is given and in range, `MissingDependency` without the
    package.
    """
    if (faces is None) == (ratio is None):
        raise InvalidInput("simplify needs either faces, their number, or ratio, the share of them to keep")
    if ratio is not None and not 0 < ratio <= 1:
        raise InvalidInput(f"ratio must be above 0 and at most 1, got {ratio}")
    wanted = max(4, round(len(mesh) * ratio)) if ratio is not None else faces
    assert wanted is not None
    if wanted < 4:
        raise InvalidInput(f"a mesh needs at least 4 faces to enclose anything, got {wanted}")
    if wanted >= len(mesh):
        return mesh
    package = optional("fast_simplification", "simplification", "surfaces")
    center = mesh.vertices.mean(0)
    scale = mesh.extent or 1.0
    # The package computes in float32, coarse far from the origin.
    placed = np.ascontiguousarray(((mesh.vertices - center) / scale).detach().cpu().float().numpy())
    corners = np.ascontiguousarray(mesh.faces.cpu().to(torch.int32).numpy())
    vertices, kept = package.simplify(placed, corners, target_count=int(wanted))
    made = Mesh(
        torch.from_numpy(vertices.copy()).to(mesh.vertices) * scale + center,
        torch.from_numpy(kept.astype(np.int64)).to(mesh.faces.device),
    )
    a, b, c = made.faces.unbind(1)
    made = submesh(made, (a != b) & (b != c) & (c != a))
    if mesh.colors is not None:
        nearest = closest_points(mesh, made.vertices)
        corners_colors = mesh.colors[mesh.faces[nearest.face_ids]]
        made = made.replace(colors=(nearest.barycentrics[:, :, None] * corners_colors).sum(1).clamp(0, 1))
    return made.replace(normals=made.vertex_normals()) if mesh.normals is not None else made
