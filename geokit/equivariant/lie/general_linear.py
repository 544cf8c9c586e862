"""GL+(n): invertible matrices of positive determinant, by the polar decomposition."""

import math

import torch
from torch import Tensor

from geokit.equivariant.lie import quotients
from geokit.equivariant.lie.bases import symmetric_basis
from geokit.equivariant.lie.checked import raise_unless_side
from geokit.equivariant.lie.linear import LinearGroup, raise_unless_dimension
from geokit.equivariant.lie.polar import polar
from geokit.equivariant.lie.small_eigen import symmetric_eigen
from geokit.equivariant.lie.symmetric import symmetric_exp, symmetric_functions
from geokit.errors import InvalidInput


class GLPlus(LinearGroup):
    """Linear maps of R^n that keep the orientation, n >= 1: dim n^2, m the symmetric matrices, K = SO(n).

    For n = 2 the basis is E11, (E12 + E21) / sqrt(2), E22, (E21 - E12) / sqrt(2).
    """

    def __init__(self, n: int) -> None:
        raise_unless_dimension(n, 1, "GLPlus")
        super().__init__(n, symmetric_basis(n))

    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """x symmetric and k a rotation with g = exp(x) k: the polar decomposition, see `polar`. Not a number where the
        determinant is not positive."""
        return polar(g)

    def complement_exp(self, x: Tensor) -> Tensor:
        """(..., n, n) positive definite."""
        return symmetric_exp(x)

    def phi1(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """exp(x) and phi1(x), positive definite, of symmetric x (..., n, n)."""
        exp, phi1 = symmetric_functions(x, "exp", "phi1")
        return exp, phi1

    def phi1_inverse(self, x: Tensor) -> Tensor:
        """(..., n, n) the inverse of phi1(x), of symmetric x (..., n, n)."""
        return symmetric_functions(x, "reciprocal_phi1")[0]

    def phi1_determinant(self, x: Tensor) -> Tensor:
        """(...) of symmetric x (..., n, n)."""
        return quotients.phi1(eigenvalues(x)).prod(-1)

    def haar_density(self, x: Tensor, side: str = "left") -> Tensor:
        """(...) prod_{i < j} sinh(d_ij) / d_ij with the differences d_ij of the eigenvalues of x.

        x is the logarithm of p = exp(x), the half of that of S = g g' = p^2 (Helgason, "Groups and Geometric Analysis",
        1984, theorem I.5.8, for flat coordinates in place of polar ones). Both sides agree.
        """
        raise_unless_side(side)
        values = eigenvalues(x)
        i, j = torch.triu_indices(self.n, self.n, 1, device=x.device)
        return quotients.exp_pair(x.new_zeros(()), (values[..., i] - values[..., j]).square())[1].prod(-1)

    def stretched(self, x: Tensor, condition: float) -> Tensor:
        """Symmetric x (..., n, n), its traceless part times a number: the largest less the smallest eigenvalue becomes
        log(condition), the trace stays."""
        if not 1 <= condition < math.inf or self.n == 1:
            raise InvalidInput(
                f"in {self} the condition number {condition} cannot be had; take a finite one of 1 or more, and n > 1"
            )
        values = eigenvalues(x)
        spread = values.amax(-1) - values.amin(-1) if values.numel() else values.sum(-1)
        deviation = traceless(x)
        return x + (math.log(condition) / spread - 1)[..., None, None] * deviation

    def defect(self, g: Tensor) -> Tensor:
        """(...) zero where the determinant is positive, infinite elsewhere."""
        return torch.where(torch.linalg.det(g) > 0, torch.zeros_like(g[..., 0, 0]), torch.inf)

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        return f"its determinant is {float(torch.linalg.det(matrix)):.3g}, a positive one was wanted; swap two columns"


def eigenvalues(symmetric: Tensor) -> Tensor:
    """(..., n) of symmetric matrices (..., n, n); n = 2 in closed form. Their gradient is first order."""
    n = symmetric.shape[-1]
    if n == 1:
        return symmetric[..., 0]
    if n == 2:
        a, d, off = symmetric[..., 0, 0], symmetric[..., 1, 1], 0.5 * (symmetric[..., 0, 1] + symmetric[..., 1, 0])
        root = torch.linalg.vector_norm(torch.stack([0.5 * (a - d), off], dim=-1), dim=-1)
        return torch.stack([0.5 * (a + d) - root, 0.5 * (a + d) + root], dim=-1)
    return symmetric_eigen(symmetric)[0]


def traceless(x: Tensor) -> Tensor:
    """(..., n, n) x less its trace over n times the identity."""
    n = x.shape[-1]
    mean = x.diagonal(dim1=-2, dim2=-1).mean(-1)
    return x - mean[..., None, None] * torch.eye(n, dtype=x.dtype, device=x.device)
