"""The Laplace-Beltrami operator of a shape as a stiffness matrix and masses."""

from typing import Literal

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.topology import half_edges
from geokit.spectral.cotangent import cotangent_laplacian
from geokit.spectral.graph_laplacian import graph_laplacian, neighbor_graph
from geokit.spectral.intrinsic import robust_laplacian
from geokit.spectral.operator import Laplacian
from geokit.spectral.point_laplacian import point_laplacian

__all__ = ["Laplacian", "cotangent_laplacian", "laplacian", "point_laplacian", "robust_laplacian"]


def laplacian(shape: Mesh | PointCloud, kind: Literal["robust", "cotangent", "graph"] = "robust") -> Laplacian:
    """The Laplacian of a shape, float64. Nothing flows over a rim (Neumann); for other conditions see `boundary`.

    "robust" is that of the intrinsic Delaunay triangulation of any mesh, also with needles, holes and edges of three
    faces, or of local triangulations of points; no weight is negative. "cotangent" takes the triangles of a mesh as
    they are, and is differentiable by the vertices. "graph" knows edges only: those of a mesh, each of weight one, or
    those to the nearest ten points with Gaussian weights, normalised. Vertices that no face uses have empty rows.
    Raises `InvalidInput` for meshes without faces and fewer than four points.
    """
    if isinstance(shape, PointCloud):
        if kind == "robust":
            return point_laplacian(shape)
        if kind == "graph":
            edges, weights = neighbor_graph(shape.points, min(10, len(shape) - 1))
            return graph_laplacian(edges, len(shape), weights, normalized=True)
        raise InvalidInput(f'kind must be "robust" or "graph" for points, got {kind!r}')
    if not len(shape):
        raise InvalidInput("a Laplacian needs a mesh with faces, got none; for points give a PointCloud")
    if kind == "robust":
        return robust_laplacian(shape)
    if kind == "cotangent":
        return cotangent_laplacian(shape)
    if kind == "graph":
        return graph_laplacian(half_edges(shape.faces).edges, len(shape.vertices))
    raise InvalidInput(f'kind must be "robust", "cotangent" or "graph", got {kind!r}')
