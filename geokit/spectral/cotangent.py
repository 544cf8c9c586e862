"""The Laplacian of linear finite elements on the triangles as they are."""

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.operator import Laplacian, laplacian_of_faces

_FLAT = 1e-8  # doubled area over squared longest side, below which a face counts as this flat


def cotangent_laplacian(mesh: Mesh) -> Laplacian:
    """Linear finite elements with lumped masses (Pinkall, Polthier 1993), float64. Differentiable by the vertices.

    The cotangents of faces without area, infinite otherwise, are bounded in a way that keeps the matrix positive
    semi-definite: the vertices of such a face are tied together firmly, with finite values and gradients.
    """
    cotangents, doubled = corner_cotangents(mesh.corners.double())
    return laplacian_of_faces(mesh.faces, cotangents, doubled, len(mesh.vertices))


def corner_cotangents(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Cotangents (F, 3) of the angles at the corners (F, 3, 3) of faces, bounded, and doubled areas (F,)."""
    edges = corners.roll(-1, dims=1) - corners.roll(-2, dims=1)  # opposite to each corner
    doubled = torch.linalg.cross(edges[:, 0], edges[:, 1]).norm(dim=1)
    longest = edges.square().sum(2).amax(1)
    # One number divides all three cotangents, so that the matrix of the face is only scaled. It is a half when there
    # is no face at all, but three times the same point: then all three are zero.
    least = torch.where(longest > 0, _FLAT * longest, 0.5)
    cotangents = -(edges.roll(-1, 1) * edges.roll(-2, 1)).sum(2) / torch.maximum(doubled, least)[:, None]
    return cotangents, doubled
