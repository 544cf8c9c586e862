"""What spectral methods know of a shape: operators and functions computed once, on the shape scaled to unit area."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.eigen import Eigenbasis, eigenbasis
from geokit.spectral.laplacian import Laplacian, laplacian


@dataclass(frozen=True)
class SpectralShape:
    """A mesh scaled to unit area about its centre, float64, with its Laplacian and its first eigenfunctions.

    mesh: the scaled mesh, vertex i that of the given one. scale: what the given one's lengths were multiplied by.
    """

    mesh: Mesh
    scale: float
    laplacian: Laplacian
    basis: Eigenbasis

    def __len__(self) -> int:
        return len(self.mesh.vertices)

    @cached_property
    def normals(self) -> Tensor:
        """(N, 3) outward unit normals at the vertices."""
        return self.mesh.vertex_normals()


def prepare(mesh: Mesh, count: int = 200) -> SpectralShape:
    """The mesh scaled to unit area, its Laplacian and `count` eigenpairs."""
    vertices = mesh.vertices.double()
    scale = mesh.area() ** -0.5
    unit = Mesh((vertices - vertices.mean(0)) * scale, mesh.faces)
    operator = laplacian(unit)
    return SpectralShape(unit, scale, operator, eigenbasis(operator, count))
