"""Mean and Gaussian curvature at the vertices of a triangle mesh."""

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import half_edges
from geokit.spectral.gradients import area_gradients
from geokit.spectral.shape import SpectralShape


def mean_curvature(shape: Mesh | SpectralShape, smooth: int = 0) -> Tensor:
    """(N,) mean curvature H = (k1 + k2) / 2 at the vertices, 1 / length: 1 / R on a sphere of radius R.

    Signed: positive where the surface bends away from its outward normal, as on a ball. How fast the area grows when
    the vertex moves along its normal, over twice the area that belongs to it (Meyer, Desbrun, Schroeder and Barr,
    2003). Zero at vertices without area and on the rim of an open mesh, where that measures the rim instead. `smooth`
    averages that often over the one-ring. float64; of a `SpectralShape`, in the unit in which its area is one.
    Differentiable by the vertices.
    """
    mesh = _mesh(shape)
    growth, _ = area_gradients(mesh.corners)
    vectors = torch.zeros_like(mesh.vertices).index_add(0, mesh.faces.reshape(-1), growth.reshape(-1, 3))
    return _finish((vectors * mesh.vertex_normals()).sum(1) / 2, mesh, smooth)


def gaussian_curvature(shape: Mesh | SpectralShape, smooth: int = 0) -> Tensor:
    """(N,) Gaussian curvature k1 k2 at the vertices, 1 / length^2: the angle missing to a full turn, over the area.

    Its sum over the areas is 2 pi times the Euler characteristic of a closed mesh (Gauss, Bonnet). Zero at vertices
    without area and on the rim. `smooth`, type and units as in `mean_curvature`.
    """
    mesh = _mesh(shape)
    return _finish(angle_defects(mesh), mesh, smooth)


def angle_defects(mesh: Mesh) -> Tensor:
    """(N,) 2 pi minus the angles around each vertex (pi minus them on the rim), radians, float64.

    Over all vertices they sum to 2 pi times the Euler characteristic, open meshes included. Zero without faces.
    """
    corners, count = mesh.corners.double(), len(mesh.vertices)
    a, b = corners.roll(-1, dims=1) - corners, corners.roll(-2, dims=1) - corners
    angles = torch.atan2(torch.linalg.cross(a, b).norm(dim=2), (a * b).sum(2))
    around = angles.new_zeros(count).index_add(0, mesh.faces.reshape(-1), angles.reshape(-1))
    full = torch.pi * (2 - _on_rim(mesh).double())
    return torch.where(around > 0, full - around, 0)


def mixed_areas(mesh: Mesh) -> Tensor:
    """(N,) float64, the part of the surface that is nearest to each vertex; it sums to the area of the mesh.

    Voronoi regions inside every face; a face with an obtuse angle gives half of itself to that corner and a quarter
    to the others (Meyer et al. 2003). Thirds of the faces instead would make the twelve five-sided vertices of a
    subdivided icosahedron 14 % more curved than the rest.
    """
    corners = mesh.corners.double()
    edges = corners.roll(-2, dims=1) - corners.roll(-1, dims=1)  # opposite to each corner
    dots = -(edges.roll(-1, 1) * edges.roll(-2, 1)).sum(2)
    _, areas = area_gradients(corners)
    cotangents = dots / torch.where(areas > 0, 2 * areas, torch.inf)[:, None]
    squares = edges.square().sum(2)
    voronoi = ((cotangents * squares).sum(1, keepdim=True) - cotangents * squares) / 8
    obtuse = dots < 0
    cut = torch.where(obtuse, 0.5, 0.25) * areas[:, None]
    parts = torch.where(obtuse.any(1, keepdim=True), cut, voronoi)
    return areas.new_zeros(len(mesh.vertices)).index_add(0, mesh.faces.reshape(-1), parts.reshape(-1))


def _finish(integrated: Tensor, mesh: Mesh, smooth: int) -> Tensor:
    areas = mixed_areas(mesh)
    some = (areas > 0) & ~_on_rim(mesh)
    values = torch.where(some, integrated / torch.where(some, areas, 1), 0)
    if not smooth:
        return values
    here, there = half_edges(mesh.faces).edges.T
    here, there = torch.cat((here, there)), torch.cat((there, here))
    weights = areas * some
    totals = weights.index_add(0, here, weights[there])
    for _ in range(smooth):
        sums = (weights * values).index_add(0, here, (weights * values)[there])
        values = torch.where(totals > 0, sums / torch.where(totals > 0, totals, 1), 0)
    return values


def _mesh(shape: Mesh | SpectralShape) -> Mesh:
    return (shape.mesh if isinstance(shape, SpectralShape) else shape).to(torch.float64)


def _on_rim(mesh: Mesh) -> Tensor:
    """(N,) bool, whether a vertex lies on an edge of one face."""
    found = half_edges(mesh.faces)
    rim = torch.zeros(len(mesh.vertices), dtype=torch.bool, device=mesh.faces.device)
    rim[found.edges[found.faces_at_edge == 1].reshape(-1)] = True
    return rim
