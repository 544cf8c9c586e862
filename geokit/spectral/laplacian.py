"""The Laplace-Beltrami operator of a shape as a stiffness matrix and masses."""

from geokit.geometry.mesh import Mesh
from geokit.spectral.cotangent import cotangent_laplacian
from geokit.spectral.operator import Laplacian

__all__ = ["Laplacian", "cotangent_laplacian", "laplacian"]


def laplacian(mesh: Mesh) -> Laplacian:
    """The Laplacian that suits the shape."""
    return cotangent_laplacian(mesh)
