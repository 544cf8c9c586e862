"""The Laplace-Beltrami operator of a shape as a stiffness matrix and masses."""

from typing import Literal

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.cotangent import cotangent_laplacian
from geokit.spectral.intrinsic import robust_laplacian
from geokit.spectral.operator import Laplacian

__all__ = ["Laplacian", "cotangent_laplacian", "laplacian", "robust_laplacian"]


def laplacian(mesh: Mesh, kind: Literal["robust", "cotangent"] = "robust") -> Laplacian:
    """The Laplacian of a shape, float64.

    "robust" is that of the intrinsic Delaunay triangulation: for any mesh, also with needles, holes and edges of three
    faces; no weight is negative. "cotangent" takes the triangles as they are; it is differentiable by the vertices.
    Vertices that no face uses have empty rows. Raises `InvalidInput` for meshes without faces.
    """
    if not len(mesh):
        raise InvalidInput("a Laplacian needs a mesh with faces, got none; for points give a PointCloud")
    if kind == "robust":
        return robust_laplacian(mesh)
    if kind == "cotangent":
        return cotangent_laplacian(mesh)
    raise InvalidInput(f'kind must be "robust" or "cotangent", got {kind!r}')
