"""Sparse symmetric positive definite systems, factored once and solved many times."""

import torch
from torch import Tensor

from geokit.geometry.sparse import SparseMatrix


class Cholesky:
    """The factorization of a symmetric positive definite matrix (N, N)."""

    def __init__(self, matrix: SparseMatrix) -> None:
        from scipy.sparse.linalg import splu

        self._factor = splu(
            matrix.to_scipy().tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0
        )

    def solve(self, right: Tensor) -> Tensor:
        """x with matrix x = right, for (N,) or (N, K)."""
        return torch.from_numpy(self._factor.solve(right.numpy()))
