"""The Laplacian of a surface of which only points are known."""

import torch
from torch import Tensor

from geokit.backend.intrinsic_ops import intrinsic_delaunay, local_stars
from geokit.errors import InvalidInput
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.normals import planes_through
from geokit.geometry.point_cloud import PointCloud
from geokit.spectral.intrinsic import SLACK
from geokit.spectral.operator import Laplacian, laplacian_of_faces

_NEIGHBORS = 30
_COVERS = 6  # each of the two sides of a triangle, found from each of its three corners


def point_laplacian(cloud: PointCloud, neighbors: int = _NEIGHBORS) -> Laplacian:
    """The robust Laplacian of the Delaunay triangles around every point in its tangent plane, float64, no gradients.

    All these triangles together are a mesh that covers the surface about three times; its tufted cover, intrinsically
    Delaunay, has a Laplacian without negative weights (N. Sharp, K. Crane, A Laplacian for nonmanifold triangle meshes,
    2020, section 5.7). Raises `InvalidInput` for fewer than four points, or neighbors below 3.
    """
    points = cloud.points.detach().cpu().double()
    faces = local_triangles(points, neighbors)
    found, _, cotangents, doubled = (t.to(cloud.points.device) for t in intrinsic_delaunay(points, faces, SLACK))
    return laplacian_of_faces(found, cotangents / _COVERS, doubled / _COVERS, len(points))


def local_triangles(points: Tensor, neighbors: int = _NEIGHBORS) -> Tensor:
    """(F, 3) the Delaunay triangles of every point (N, 3), float64, with its nearest others in its tangent plane."""
    if len(points) < 4 or neighbors < 3:
        raise InvalidInput(
            f"a Laplacian of points needs at least 4 points and 3 neighbours, got {len(points)} and {neighbors}"
        )
    near = nearest_neighbors(points, min(neighbors, len(points) - 1))[1]
    stars, closed = local_stars(points, planes_through(points, near).normals, near)
    following = stars.roll(-1, dims=1)
    last = (stars >= 0).sum(1) - 1
    rows = torch.arange(len(points), device=points.device)
    following[rows, last] = torch.where(closed, stars[:, 0], -1)
    own = rows[:, None].expand_as(stars)
    triangles = torch.stack([own, stars, following], dim=2).reshape(-1, 3)
    return triangles[(triangles[:, 1:] >= 0).all(1)]
