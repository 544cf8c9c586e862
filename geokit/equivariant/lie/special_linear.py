"""SL(n): matrices of determinant one."""

import torch
from torch import Tensor

from geokit.equivariant.lie.bases import skew_basis, traceless_basis
from geokit.equivariant.lie.general_linear import GLPlus, traceless
from geokit.equivariant.lie.group import TOLERANCE
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
        """(...) |log det g|, infinite unless det g > 0; both in float64.

        Rounding the entries changes log det g by eps times the condition number |g| |g^-1| / n. Where that leaves more
        than the tolerance, |log det g| is over the ratio, so that what `contains` lets through is
        max(tolerance, 64 eps condition), and never more than 1/2: of a matrix that is closer to a singular one nobody
        could tell.
        """
        double = g.double()
        determinant, inverse = torch.linalg.det(double), torch.linalg.inv_ex(double)[0]
        condition = torch.linalg.matrix_norm(double) * torch.linalg.matrix_norm(inverse) / self.n
        usual = TOLERANCE[g.dtype]
        allowed = (64 * torch.finfo(g.dtype).eps * condition).clamp(usual, 0.5)
        return torch.where(determinant > 0, determinant.log().abs() * usual / allowed, torch.inf)

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        determinant = float(torch.linalg.det(matrix.double()))
        if not determinant > 0:
            return super().complaint(matrix)
        return f"its determinant is {determinant:.6g}, 1 was wanted; divide it by the {self.n}-th root, or use GLPlus"
