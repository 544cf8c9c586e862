"""Values given on some vertices. Where nothing is given nothing flows over the rim (Neumann): that needs no file."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_one_device, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.geometry.topology import half_edges
from geokit.spectral.cholesky import Cholesky
from geokit.spectral.operator import Laplacian


@dataclass(frozen=True)
class Restricted:
    """A Laplacian on the R vertices that are free, those given being zero (Dirichlet).

    laplacian: on the free vertices; positive definite, its rows do not sum to zero. free: (R,) int64, ascending, which
    of the N vertices they are. count: N.
    """

    laplacian: Laplacian
    free: Tensor
    count: int

    def extend(self, values: Tensor) -> Tensor:
        """(N, ...) functions on all vertices, zero on those given, of functions (R, ...) on the free ones."""
        return values.new_zeros(self.count, *values.shape[1:]).index_copy(0, self.free, values)


def boundary_vertices(mesh: Mesh) -> Tensor:
    """(B,) int64, ascending, the vertices on edges of one face only."""
    found = half_edges(mesh.faces)
    return torch.unique(found.edges[found.faces_at_edge == 1])


def dirichlet(laplacian: Laplacian, fixed: Tensor) -> Restricted:
    """The Laplacian of functions that vanish on vertices `fixed` (B,) int64.

    Raises `InvalidInput` for vertices that are not there, and where none is left.
    """
    free = _others(fixed, len(laplacian))
    return Restricted(
        Laplacian(submatrix(laplacian.stiffness, free, free), laplacian.masses[free]), free, len(laplacian)
    )


def harmonic(laplacian: Laplacian, fixed: Tensor, values: Tensor) -> Tensor:
    """(N, ...) functions that have `values` (B, ...) on vertices `fixed` (B,), and no Laplacian elsewhere.

    Raises as `dirichlet`, and `NumericalFailure` where a connected piece has no fixed vertex.
    """
    check_tensor("values", values, (len(fixed), *values.shape[1:]), torch.float64, finite=True)
    check_one_device(laplacian=laplacian.masses, fixed=fixed, values=values)
    free = _others(fixed, len(laplacian))
    right = submatrix(laplacian.stiffness, free, fixed) @ values.reshape(len(fixed), -1)
    solved = -Cholesky(submatrix(laplacian.stiffness, free, free)).solve(right)
    found = values.new_zeros(len(laplacian), right.shape[1])
    found[fixed], found[free] = values.reshape(len(fixed), -1), solved
    return found.reshape(-1, *values.shape[1:])


def submatrix(matrix: SparseMatrix, rows: Tensor, columns: Tensor) -> SparseMatrix:
    """The entries of chosen rows and columns, each named once, in the order of their names."""
    place = [rows.new_full((size,), -1) for size in matrix.shape]
    place[0][rows], place[1][columns] = (torch.arange(len(ids), device=ids.device) for ids in (rows, columns))
    i, j = place[0][matrix.rows], place[1][matrix.columns]
    kept = (i >= 0) & (j >= 0)
    return SparseMatrix.from_triplets(i[kept], j[kept], matrix.values[kept], (len(rows), len(columns)))


def _others(fixed: Tensor, count: int) -> Tensor:
    check_tensor("fixed", fixed, ("B",), torch.int64)
    if len(fixed) and not 0 <= int(fixed.min()) <= int(fixed.max()) < count:
        raise InvalidInput(f"fixed names vertices {int(fixed.min())} to {int(fixed.max())}; there are {count}, from 0")
    free = torch.ones(count, dtype=torch.bool, device=fixed.device)
    free[fixed] = False
    if not bool(free.any()):
        raise InvalidInput(f"all {count} vertices are fixed; leave some free")
    return free.nonzero()[:, 0]
