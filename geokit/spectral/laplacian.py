"""The Laplace-Beltrami operator of a shape as a stiffness matrix and masses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix


@dataclass(frozen=True)
class Laplacian:
    """L = diag(masses)^-1 stiffness on N vertices.

    stiffness: (N, N) symmetric, positive semi-definite, rows sum to zero; of length^0 on surfaces. masses: (N,) > 0,
    the area that belongs to each vertex, squared units of length. So eigenvalues have units of 1 / length^2.
    """

    stiffness: SparseMatrix
    masses: Tensor

    def __len__(self) -> int:
        return len(self.masses)

    @property
    def area(self) -> float:
        """The sum of the masses."""
        return float(self.masses.sum())


def cotangent_laplacian(mesh: Mesh) -> Laplacian:
    """Linear finite elements with lumped masses (Pinkall, Polthier 1993), float64. Differentiable by the vertices."""
    corners = mesh.corners.double()
    edges = corners.roll(-1, dims=1) - corners.roll(-2, dims=1)  # opposite to each corner
    doubled = torch.linalg.cross(edges[:, 0], edges[:, 1]).norm(dim=1)
    cotangents = -(edges.roll(-1, 1) * edges.roll(-2, 1)).sum(2) / doubled[:, None]
    i, j = mesh.faces.roll(-1, dims=1).reshape(-1), mesh.faces.roll(-2, dims=1).reshape(-1)
    half = cotangents.reshape(-1) / 2
    count = len(mesh.vertices)
    stiffness = SparseMatrix.from_triplets(
        torch.cat([i, j, i, j]), torch.cat([j, i, i, j]), torch.cat([-half, -half, half, half]), (count, count)
    )
    masses = doubled.new_zeros(count).index_add(0, mesh.faces.T.reshape(-1), (doubled / 6).repeat(3))
    return Laplacian(stiffness, masses)


def laplacian(mesh: Mesh) -> Laplacian:
    """The Laplacian that suits the shape."""
    return cotangent_laplacian(mesh)
