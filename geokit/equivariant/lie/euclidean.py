"""SE(n): rigid motions."""

import torch
from torch import Tensor

from geokit.equivariant.lie.affine import Affine, homogeneous
from geokit.equivariant.lie.linear import raise_unless_dimension
from geokit.equivariant.lie.orthogonal import SO
from geokit.equivariant.lie.similarity import spiral_move, spiral_return


class SE(Affine):
    """Rotations and translations of R^n, n >= 1: x -> R x + b. exp is onto; exp and log in closed form for n <= 3.

    m is the translations: g = exp(x) k has u = b and k the rotation. Unimodular.
    """

    def __init__(self, n: int) -> None:
        raise_unless_dimension(n, 1, "SE")
        super().__init__(SO(n))

    @property
    def name(self) -> str:
        """SE(n)."""
        return f"SE({self.n})"

    def exp(self, algebra: Tensor) -> Tensor:
        """(..., n + 1, n + 1) the screw motions of [[W, u], [0, 0]]."""
        if self.n > 3:
            return super().exp(algebra)
        skew, u = self.parts(algebra)
        return homogeneous(self.linear.exp(skew), spiral_move(torch.zeros_like(u[..., 0]), skew, u), 1.0)

    def log(self, g: Tensor) -> Tensor:
        """(..., n + 1, n + 1) [[W, u], [0, 0]], the angle of W in (-pi, pi]."""
        if self.n > 3:
            return super().log(g)
        rotation, b = self.parts(g)
        skew = self.linear.log(rotation)
        return homogeneous(skew, spiral_return(torch.zeros_like(b[..., 0]), skew, b), 0.0)

    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """[[0, b], [0, 0]] and [[R, 0], [0, 1]]."""
        rotation, b = self.parts(g)
        return homogeneous(torch.zeros_like(rotation), b, 0.0), homogeneous(rotation, torch.zeros_like(b), 1.0)

    def recompose(self, x: Tensor, k: Tensor) -> Tensor:
        """[[R, u], [0, 1]]."""
        return homogeneous(self.parts(k)[0], self.parts(x)[1], 1.0)
