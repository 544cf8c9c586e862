"""A shape made ready to be matched: cleaned, coarse where it is dense, and what is known at each given vertex."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.spectral.coarse import CoarseMesh, coarse_mesh
from geokit.spectral.precise import points_in_faces
from geokit.spectral.shape import SpectralShape, prepare

EIGENPAIRS = 150
LARGEST = 10_000  # vertices of a shape that is matched as it is
SAMPLES = 6_000  # vertices of the coarse mesh of a larger one


@dataclass(frozen=True)
class MatchShape:
    """What `match` works on, for a given shape of N vertices.

    given: the shape. shape: S vertices with their eigenfunctions: the given one, cleaned and scaled, or a coarse mesh
    of that. cells: `cells.samples` (S,) the given vertex that each vertex of `shape` is, `cells.cell` (N,) the vertex
    of `shape` that each given one is, or is nearest to. dense: whether `shape` is a coarse mesh. repairs: sentences
    about what was cleaned.
    """

    given: Mesh | PointCloud
    shape: SpectralShape
    cells: CoarseMesh
    dense: bool
    repairs: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.cells.cell)

    def __repr__(self) -> str:
        through = f" through {len(self.shape):,}" if self.dense else ""
        return f"MatchShape({len(self):,} vertices{through}, {len(self.shape.basis)} eigenfunctions)"

    @property
    def places(self) -> Tensor:
        """(N, 3) where the given vertices are."""
        return self.given.vertices if isinstance(self.given, Mesh) else self.given.points

    @cached_property
    def functions(self) -> Tensor:
        """(N, K) the eigenfunctions at every given vertex, linear inside the faces of a coarse mesh."""
        values = self.shape.basis.eigenvectors
        if not self.dense:
            return values[self.cells.cell]
        mesh = self.cells.mesh
        places = points_in_faces(self.places.double(), mesh.vertices.double(), mesh.faces, self.cells.cell)
        return places.interpolate(mesh.faces, values)

    def project(self, values: Tensor) -> Tensor:
        """Coefficients (K, C) of functions (N, C) at the given vertices, float64."""
        if not self.dense:
            return self.shape.basis.project(values[self.cells.samples])
        masses = vertex_areas(self.given)[:, None] if isinstance(self.given, Mesh) else 1.0
        weighted = self.functions * masses
        return torch.linalg.solve(weighted.T @ self.functions, weighted.T @ values)


def vertex_areas(mesh: Mesh) -> Tensor:
    """(V,) a third of the area of the faces around each vertex, float64."""
    areas = mesh.to(torch.float64).face_areas() / 3
    return areas.new_zeros(len(mesh.vertices)).index_add(0, mesh.faces.T.reshape(-1), areas.repeat(3))


def match_shape(given: Mesh | PointCloud, count: int = EIGENPAIRS) -> MatchShape:
    """Clean a shape and compute its operators and `count` eigenpairs, once for many matches.

    Meshes of more than 10,000 vertices are matched through a coarse mesh of 6,000 of them.
    """
    assert isinstance(given, Mesh)
    vertices = len(given.vertices)
    if vertices <= LARGEST:
        everyone = torch.arange(vertices)
        return MatchShape(
            given, prepare(given, min(count, vertices - 2)), CoarseMesh(given, everyone, everyone), False, ()
        )
    coarse = coarse_mesh(given, SAMPLES)
    return MatchShape(given, prepare(coarse.mesh, count), coarse, True, ())
