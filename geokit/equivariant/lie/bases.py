"""Bases of matrices that are orthonormal under tr(X' Y)."""

from itertools import combinations, combinations_with_replacement

import torch
from torch import Tensor


def symmetric_basis(n: int) -> Tensor:
    """(n (n + 1) / 2, n, n) orthonormal: E_ii and (E_ij + E_ji) / sqrt(2), by rows of the upper triangle."""
    matrices = torch.zeros(n * (n + 1) // 2, n, n, dtype=torch.float64, device="cpu")
    for index, (i, j) in enumerate(combinations_with_replacement(range(n), 2)):
        matrices[index, i, j] = matrices[index, j, i] = 1.0 if i == j else 0.5**0.5
    return matrices


def traceless_basis(n: int) -> Tensor:
    """(n (n + 1) / 2 - 1, n, n) orthonormal: (1, ..., 1, -m, 0, ...) / sqrt(m (m + 1)) on the diagonal, m = 1 to
    n - 1, then (E_ij + E_ji) / sqrt(2) by rows."""
    matrices = [
        torch.diag(torch.tensor([1.0] * m + [-m] + [0.0] * (n - m - 1), dtype=torch.float64, device="cpu"))
        for m in range(1, n)
    ]
    diagonal = [matrix / matrix.norm() for matrix in matrices]
    return torch.stack([*diagonal, *(matrix for matrix in symmetric_basis(n) if not matrix.trace())])


def skew_basis(n: int) -> Tensor:
    """(n (n - 1) / 2, n, n) orthonormal: (E_ji - E_ij) / sqrt(2) for i < j by rows; for n = 3 the turns about x, y and
    z, by the right hand, each over sqrt(2)."""
    pairs = [(1, 2), (2, 0), (0, 1)] if n == 3 else list(combinations(range(n), 2))
    matrices = torch.zeros(len(pairs), n, n, dtype=torch.float64, device="cpu")
    for index, (i, j) in enumerate(pairs):
        matrices[index, j, i], matrices[index, i, j] = 0.5**0.5, -(0.5**0.5)
    return matrices
