"""The Laplacian of the intrinsic Delaunay triangulation, for meshes of any quality and any topology."""

from dataclasses import dataclass

from torch import Tensor

from geokit.backend.intrinsic_ops import intrinsic_delaunay
from geokit.geometry.mesh import Mesh
from geokit.spectral.operator import Laplacian, laplacian_of_faces

SLACK = 1e-5  # by which triangle inequalities hold, relative to the mean length of the edges


@dataclass(frozen=True)
class IntrinsicTriangulation:
    """Triangles known by the lengths of their sides, over the vertices of a mesh, all edges Delaunay.

    faces: (G, 3) int64; an edge may join two vertices in several ways, or a vertex to itself. lengths: (G, 3), of the
    sides from corner c to c + 1. cotangents: (G, 3), of the angles at the corners. areas: (G,). sheets: how many times
    the triangles cover the mesh, 1 or 2.
    """

    faces: Tensor
    lengths: Tensor
    cotangents: Tensor
    areas: Tensor
    sheets: int


def intrinsic_triangulation(mesh: Mesh) -> IntrinsicTriangulation:
    """The intrinsic Delaunay triangulation of a mesh, float64, without gradients.

    Lengths are first increased by the least number that makes all triangle inequalities hold clearly. Where an edge
    has one face, more than two, or two that disagree in orientation, the triangles are those of the tufted cover, which
    has every face twice and no boundary; closed oriented meshes need no cover, and have the same Laplacian either way.
    (N. Sharp, K. Crane, A Laplacian for nonmanifold triangle meshes, 2020.)
    """
    vertices = mesh.vertices.detach().cpu().double()
    found = intrinsic_delaunay(vertices, mesh.faces.cpu(), SLACK)
    faces, lengths, cotangents, doubled = (t.to(mesh.vertices.device) for t in found)
    return IntrinsicTriangulation(faces, lengths, cotangents, doubled / 2, 1 if len(faces) == len(mesh) else 2)


def robust_laplacian(mesh: Mesh) -> Laplacian:
    """Linear finite elements with lumped masses on the intrinsic Delaunay triangulation, float64, without gradients.

    No entry off the diagonal is positive: solutions obey the maximum principle, and interpolation stays within bounds.
    """
    found = intrinsic_triangulation(mesh)
    once = 1 / found.sheets
    return laplacian_of_faces(found.faces, found.cotangents * once, found.areas * (2 * once), len(mesh.vertices))
