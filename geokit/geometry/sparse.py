"""Sparse matrices: rows by offsets, as batches are."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput


@dataclass(frozen=True)
class SparseMatrix:
    """An (R, C) matrix of which E entries are stored, row by row.

    offsets: (R + 1,) int64, row i holds the entries offsets[i] to offsets[i + 1]. columns: (E,) int64, ascending in
    each row, each once. values: (E,) float32 or float64; they may carry gradients. width: C.
    """

    offsets: Tensor
    columns: Tensor
    values: Tensor
    width: int

    def __post_init__(self) -> None:
        check_tensor("offsets", self.offsets, ("R + 1",), torch.int64)
        check_tensor("columns", self.columns, ("E",), torch.int64)
        check_tensor("values", self.values, (len(self.columns),), FLOATS)

    @staticmethod
    def from_triplets(rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> "SparseMatrix":
        """Entries (E,) at (rows, columns), both int64; entries at the same place are added, in their order.

        Differentiable by `values`. Raises `InvalidInput` for indices outside `shape`.
        """
        height, width = shape
        for name, index, size in (("rows", rows, height), ("columns", columns, width)):
            if len(index) and (int(index.min()) < 0 or int(index.max()) >= size):
                raise InvalidInput(f"{name} reach from {int(index.min())} to {int(index.max())}; want 0 to {size - 1}")
        places, slot = torch.unique(rows * width + columns, return_inverse=True)
        sums = values.new_zeros(len(places)).index_add(0, slot, values)
        counts = torch.bincount(places // max(width, 1), minlength=height)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return SparseMatrix(offsets, places % max(width, 1), sums, width)

    @staticmethod
    def from_scipy(matrix: Any) -> "SparseMatrix":
        """From any matrix of scipy.sparse."""
        csr = matrix.tocsr()
        csr.sum_duplicates()
        offsets, columns = (torch.from_numpy(a).to(torch.int64) for a in (csr.indptr, csr.indices))
        return SparseMatrix(offsets, columns, torch.from_numpy(csr.data), csr.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.offsets) - 1, self.width

    @property
    def rows(self) -> Tensor:
        """(E,) int64, the row of every entry."""
        return torch.repeat_interleave(torch.arange(self.shape[0], device=self.offsets.device), self.offsets.diff())

    def __repr__(self) -> str:
        return f"SparseMatrix({self.shape[0]:,} x {self.width:,}, {len(self.values):,} entries)"

    def __matmul__(self, other: Tensor) -> Tensor:
        """The product with a vector (C,) or a matrix (C, K). Differentiable by the values and by `other`."""
        column = other.dim() == 1
        product = torch.sparse.mm(self._torch(), other[:, None] if column else other)
        return product[:, 0] if column else product

    def _torch(self) -> Tensor:
        with warnings.catch_warnings():  # torch calls its compressed rows a beta
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(self.offsets, self.columns, self.values, self.shape)

    def transpose(self) -> "SparseMatrix":
        """The (C, R) transposed matrix."""
        return SparseMatrix.from_triplets(self.columns, self.rows, self.values, (self.width, self.shape[0]))

    def diagonal(self) -> Tensor:
        """(min(R, C),) the diagonal, zero where nothing is stored."""
        here = self.rows == self.columns
        diagonal = self.values.new_zeros(min(self.shape))
        return diagonal.index_add(0, self.columns[here], self.values[here])

    def add_diagonal(self, diagonal: Tensor) -> "SparseMatrix":
        """The matrix plus diag(diagonal), (min(R, C),). Differentiable."""
        here = torch.arange(len(diagonal), device=diagonal.device)
        rows, columns = torch.cat([self.rows, here]), torch.cat([self.columns, here])
        return SparseMatrix.from_triplets(rows, columns, torch.cat([self.values, diagonal]), self.shape)

    def replace(self, **changes: Any) -> "SparseMatrix":
        """A copy with some fields replaced."""
        return replace(self, **changes)

    def to(self, target: torch.device | torch.dtype | str) -> "SparseMatrix":
        """On another device or with another float dtype; indices stay int64."""
        if isinstance(target, torch.dtype):
            return self.replace(values=self.values.to(target))
        return SparseMatrix(self.offsets.to(target), self.columns.to(target), self.values.to(target), self.width)

    def to_scipy(self) -> Any:
        """As scipy.sparse.csr_array."""
        from scipy.sparse import csr_array

        arrays = (t.detach().cpu().numpy() for t in (self.values, self.columns, self.offsets))
        return csr_array(tuple(arrays), shape=self.shape)

    def dense(self) -> Tensor:
        """(R, C) with its zeros. Differentiable."""
        flat = self.values.new_zeros(self.shape[0] * self.width)
        return flat.index_add(0, self.rows * self.width + self.columns, self.values).reshape(self.shape)
