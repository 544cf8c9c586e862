"""A shape made ready to be matched: cleaned, coarse where it is dense, and what is known at each given vertex."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.topology import connected_components, submesh
from geokit.spectral.cleaning import clean
from geokit.spectral.coarse import CoarseMesh, coarse_mesh
from geokit.spectral.precise import nearest_in_faces
from geokit.spectral.shape import SpectralShape, prepare

EIGENPAIRS = 150
LARGEST = 10_000  # vertices of a shape that is matched as it is
SAMPLES = 6_000  # vertices of the coarse mesh of a larger one
_SMALL = 0.1  # share of the area that pieces may have which are left out


@dataclass(frozen=True)
class MatchShape:
    """What `match` works on, for a given shape of N vertices.

    given: the shape. shape: S vertices with their eigenfunctions: the given one, cleaned and scaled, or a coarse mesh
    of that. cells: `cells.samples` (S,) the given vertex that each vertex of `shape` is, `cells.cell` (N,) the vertex
    of `shape` that each given one is, or is nearest to. dense: whether `shape` is a coarse mesh. repairs: sentences
    about what was cleaned.
    """

    given: Mesh
    shape: SpectralShape
    cells: CoarseMesh
    dense: bool
    repairs: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.cells.cell)

    def __repr__(self) -> str:
        through = f" through {len(self.shape):,}" if self.dense else ""
        return f"MatchShape({len(self):,} vertices{through}, {len(self.shape.basis)} eigenfunctions)"

    @cached_property
    def functions(self) -> Tensor:
        """(N, K) the eigenfunctions at every given vertex, linear inside the faces of a coarse mesh."""
        values = self.shape.basis.eigenvectors
        if not self.dense:
            return values[self.cells.cell]
        mesh = self.cells.mesh
        places = nearest_in_faces(self.given.vertices.double(), mesh.vertices, mesh.faces, self.cells.cell)
        return places.interpolate(mesh.faces, values)

    def project(self, values: Tensor) -> Tensor:
        """Coefficients (K, C) of functions (N, C) at the given vertices, float64."""
        if not self.dense:
            return self.shape.basis.project(values[self.cells.samples])
        weighted = self.functions * vertex_areas(self.given)[:, None]
        return torch.linalg.solve(weighted.T @ self.functions, weighted.T @ values)


def vertex_areas(mesh: Mesh) -> Tensor:
    """(V,) a third of the area of the faces around each vertex, float64."""
    areas = mesh.to(torch.float64).face_areas() / 3
    return areas.new_zeros(len(mesh.vertices)).index_add(0, mesh.faces.T.reshape(-1), areas.repeat(3))


def match_shape(given: Mesh, count: int = EIGENPAIRS, *, cache: Path | bool | None = None) -> MatchShape:
    """Clean a mesh and compute its operators and `count` eigenpairs, once for many matches.

    A mesh of more than 10,000 vertices is matched through a coarse mesh of 6,000 of them. Pieces that together have
    less than a tenth of the area are left out; their vertices go where the nearest vertex of the rest goes.

    Computed on the CPU and left there, wherever the mesh is. cache: where eigenpairs are kept, as for `eigenbasis`.
    Raises `InvalidInput` for a mesh without area and for anything else than a mesh.
    """
    if not isinstance(given, Mesh):
        raise InvalidInput(
            f"a shape to match must be a Mesh, got {type(given).__name__}; make a surface of points with geokit mesh"
        )
    given = given.to("cpu")
    cleaned = clean(given)
    main, kept, near, said = _main_pieces(cleaned.mesh)
    near, samples, report = near[cleaned.given], cleaned.origins[kept], [*cleaned.report, *said]
    dense = len(main.vertices) > LARGEST
    if dense:
        coarse = coarse_mesh(main, SAMPLES)
        main, near, samples = coarse.mesh, coarse.cell[near], samples[coarse.samples]
        report.append(f"matched through a coarse mesh of {len(main.vertices):,} of its vertices, then extended to all")
    shape = prepare(main, count, cache=cache)
    near, samples = shape.given[near], samples[shape.origins]
    if len(shape.basis) < count:
        report.append(f"only {len(shape.basis)} eigenfunctions: the shape has {len(shape):,} vertices")
    cells = CoarseMesh(Mesh(given.vertices.detach().double()[samples], shape.mesh.faces), samples, near)
    return MatchShape(given, shape, cells, dense, tuple(report))


def _main_pieces(mesh: Mesh) -> tuple[Mesh, Tensor, Tensor, list[str]]:
    """The mesh without pieces of little area; which vertices (N',) it keeps; for every vertex (N,) the kept one that is
    it or is nearest to it, as a number of the new mesh; and what was done."""
    piece = connected_components(mesh)
    areas = vertex_areas(mesh)
    shares = areas.new_zeros(int(piece.max()) + 1).index_add(0, piece, areas) / areas.sum()
    order = shares.argsort(descending=True, stable=True)
    needed = int((shares[order].cumsum(0) < 1 - _SMALL).sum()) + 1
    everyone = torch.arange(len(piece))
    if needed == len(shares):
        return mesh, everyone, everyone, []
    keep = torch.isin(piece, order[:needed])
    kept = keep.nonzero()[:, 0]
    near = nearest_neighbors(mesh.vertices[kept], 1, mesh.vertices)[1][:, 0]
    near[kept] = torch.arange(len(kept))
    gone, share = len(shares) - needed, float(shares[order[needed:]].sum())
    said = f"{gone:,} small pieces ({share:.1%} of the area) follow the nearest vertex of the rest"
    return submesh(mesh, keep[mesh.faces[:, 0]]), kept, near, [said]
