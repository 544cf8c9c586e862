"""SO(n) and O(n): compact, so that m is zero and every element its own k."""

import torch
from torch import Tensor

from geokit.equivariant.lie.bases import skew_basis
from geokit.equivariant.lie.linear import (
    LinearGroup,
    identity_like,
    raise_unless_dimension,
    rotation_exp,
    rotation_log,
)
from geokit.geometry.rotations import random_rotations


class SO(LinearGroup):
    """Rotations of R^n, n >= 1: dim n (n - 1) / 2.

    The coordinates of n = 2 and n = 3 are sqrt(2) times the angle, and sqrt(2) times axis times angle.
    """

    volume_preserving = True

    def __init__(self, n: int) -> None:
        raise_unless_dimension(n, 1, type(self).__name__)
        super().__init__(n, skew_basis(n)[:0])

    def exp(self, algebra: Tensor) -> Tensor:
        """(..., n, n) of skew matrices (..., n, n): closed for n <= 3."""
        return rotation_exp(algebra)

    def log(self, g: Tensor) -> Tensor:
        """(..., n, n) skew, angles in (-pi, pi]; at half turns, where there are two, either."""
        return rotation_log(g)

    def inverse(self, g: Tensor) -> Tensor:
        """(..., n, n) the transpose."""
        return g.mT

    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """0 and g."""
        return torch.zeros_like(g), g

    def recompose(self, x: Tensor, k: Tensor) -> Tensor:
        """k: x is zero."""
        return k

    def inverse_from(self, x: Tensor, k: Tensor) -> Tensor:
        """The transpose of k."""
        return k.mT

    def complement_exp(self, x: Tensor) -> Tensor:
        """The identity: x is zero."""
        return identity_like(x)

    def phi1(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two identities."""
        return identity_like(x), identity_like(x)

    def phi1_inverse(self, x: Tensor) -> Tensor:
        """The identity."""
        return identity_like(x)

    def phi1_determinant(self, x: Tensor) -> Tensor:
        """One."""
        return torch.ones_like(x[..., 0, 0])

    def defect(self, g: Tensor) -> Tensor:
        """(...) the largest entry of g' g - 1; infinite for reflections."""
        return torch.where(torch.linalg.det(g) > 0, orthogonality_defect(g), torch.inf)

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        off = float(orthogonality_defect(matrix))
        if off < 1e-3:
            return f"its determinant is {float(torch.linalg.det(matrix)):.3g}, 1 was wanted; use O({self.n})"
        return f"g' g differs from the identity by {off:.3g}; take geokit.geometry.rotations.nearest_rotation of it"


class O(SO):  # noqa: E742
    """Rotations and reflections of R^n, n >= 1. exp reaches the rotations; log of a reflection is not a number."""

    def log(self, g: Tensor) -> Tensor:
        """(..., n, n) skew; not a number for reflections."""
        proper = (torch.linalg.det(g.detach()) > 0)[..., None, None]
        return torch.where(proper, rotation_log(torch.where(proper, g, identity_like(g))), torch.nan)

    def compact_log(self, k: Tensor) -> Tensor:
        """(..., n, n) skew; not a number for reflections."""
        return self.log(k)

    def compact_features(self, k: Tensor) -> Tensor:
        """(..., n (n - 1) + 1) the first n - 1 columns and the determinant."""
        return torch.cat([super().compact_features(k), torch.linalg.det(k)[..., None]], dim=-1)

    def compact_sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, n, n), float64; either determinant with probability one half."""
        rotations = random_rotations(count, self.n, generator=generator, device="cpu")
        signs = 1.0 - 2.0 * torch.randint(2, (count, 1), generator=generator, device="cpu")
        return torch.cat([rotations[..., :1] * signs[..., None], rotations[..., 1:]], dim=-1)

    def defect(self, g: Tensor) -> Tensor:
        """(...) the largest entry of g' g - 1."""
        return orthogonality_defect(g)

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        return f"g' g differs from the identity by {float(orthogonality_defect(matrix)):.3g}; take an orthonormal basis"


def orthogonality_defect(g: Tensor) -> Tensor:
    """(...) the largest entry of g' g - 1 of matrices (..., n, n)."""
    return (g.mT @ g - identity_like(g)).abs().amax((-2, -1)) if g.numel() else g.new_zeros(g.shape[:-2])
