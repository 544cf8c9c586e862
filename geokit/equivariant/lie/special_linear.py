"""SL(n): matrices of determinant one."""

import torch
from torch import Tensor

from geokit.equivariant.lie.bases import skew_basis, traceless_basis
from geokit.equivariant.lie.general_linear import GLPlus, traceless
from geokit.equivariant.lie.linear import raise_unless_dimension


class SL(GLPlus):
    """Linear maps of R^n that keep volume and orientation, n >= 2: dim n^2 - 1, m the traceless symmetric matrices.

    For n = 2 the basis is diag(1, -1), E12 + E21 and E21 - E12, each over sqrt(2).
    """

    volume_preserving = True

    def __init__(self, n: int) -> None:
        raise_unless_dimension(n, 2, "SL")
        super().__init__(n)
        self.basis = torch.cat([traceless_basis(n), skew_basis(n)])
        self.complement_dim, self.dim = self.complement_dim - 1, self.dim - 1

    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """x symmetric and traceless, and k a rotation, with g = exp(x) k. Of a matrix whose determinant is off by
        rounding those of the multiple of it that has determinant one."""
        x, k = super().decompose(g)
        return traceless(x), k

    def log(self, g: Tensor) -> Tensor:
        """(..., n, n) traceless; as in `GLPlus`."""
        return traceless(super().log(g))

    def defect(self, g: Tensor) -> Tensor:
        """(...) the determinant less one, over the n-th power of the size of g."""
        size = torch.linalg.matrix_norm(g).clamp_min(1.0)
        return (torch.linalg.det(g) - 1).abs() / size**self.n

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        determinant = float(torch.linalg.det(matrix))
        return f"its determinant is {determinant:.6g}, 1 was wanted; divide it by the {self.n}-th root, or use GLPlus"
