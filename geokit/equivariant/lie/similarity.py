"""CSO(n), rotations with a scale, and Sim(n), the similarities: one spiral formula for their translations."""

import torch
from torch import Tensor

from geokit.equivariant.lie import quotients
from geokit.equivariant.lie.affine import Affine, apply, homogeneous
from geokit.equivariant.lie.linear import (
    LinearGroup,
    identity_like,
    raise_unless_dimension,
    rotation_exp,
    rotation_log,
)
from geokit.equivariant.lie.orthogonal import orthogonality_defect


class CSO(LinearGroup):
    """Rotations of R^n, n >= 2, times a positive scale: dim n (n - 1) / 2 + 1, m the multiples of the identity.

    exp is onto. The coordinate of the scale is sqrt(n) times its logarithm.
    """

    def __init__(self, n: int) -> None:
        raise_unless_dimension(n, 2, type(self).__name__)
        super().__init__(n, torch.eye(n, dtype=torch.float64, device="cpu")[None] / n**0.5)

    def exp(self, algebra: Tensor) -> Tensor:
        """(..., n, n) exp(s) times a rotation; s is the mean of the diagonal."""
        return rotation_exp(algebra) * mean_diagonal(algebra).exp()[..., None, None]

    def log(self, g: Tensor) -> Tensor:
        """(..., n, n) log(scale) times the identity, plus a skew matrix with angles in (-pi, pi]."""
        scale = scale_of(g)
        return rotation_log(g / scale) + scale.log() * identity_like(g)

    def inverse(self, g: Tensor) -> Tensor:
        """(..., n, n) the transpose over the square of the scale."""
        return g.mT / scale_of(g).square()

    def decompose(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """log(scale) times the identity, and the rotation."""
        scale = scale_of(g)
        return scale.log() * identity_like(g), g / scale

    def complement_exp(self, x: Tensor) -> Tensor:
        """(..., n, n) the scale times the identity."""
        return mean_diagonal(x).exp()[..., None, None] * identity_like(x)

    def phi1(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """exp(x) and phi1(x), multiples of the identity."""
        return self.complement_exp(x), quotients.phi1(mean_diagonal(x))[..., None, None] * identity_like(x)

    def phi1_inverse(self, x: Tensor) -> Tensor:
        """A multiple of the identity."""
        return identity_like(x) / quotients.phi1(mean_diagonal(x))[..., None, None]

    def phi1_determinant(self, x: Tensor) -> Tensor:
        """(...) phi1(s)^n."""
        return quotients.phi1(mean_diagonal(x)) ** self.n

    def defect(self, g: Tensor) -> Tensor:
        """(...) that of g over its scale in SO(n)."""
        return torch.where(torch.linalg.det(g) > 0, orthogonality_defect(g / scale_of(g)), torch.inf)

    def complaint(self, matrix: Tensor) -> str:
        """A sentence."""
        if float(torch.linalg.det(matrix)) <= 0:
            return f"its determinant is {float(torch.linalg.det(matrix)):.3g}, a positive one was wanted"
        off = float(orthogonality_defect(matrix / scale_of(matrix)))
        return f"over its scale, g' g differs from the identity by {off:.3g}; rotations times a scale were wanted"


class Sim(Affine):
    """Similarities of R^n, n >= 2: x -> s R x + b. exp is onto; exp and log in closed form for n <= 3."""

    linear: CSO

    def __init__(self, n: int) -> None:
        raise_unless_dimension(n, 2, "Sim")
        super().__init__(CSO(n))

    @property
    def name(self) -> str:
        """Sim(n)."""
        return f"Sim({self.n})"

    def exp(self, algebra: Tensor) -> Tensor:
        """(..., n + 1, n + 1) of [[s I + W, u], [0, 0]]."""
        if self.n > 3:
            return super().exp(algebra)
        x, u = self.parts(algebra)
        return homogeneous(self.linear.exp(x), spiral_move(mean_diagonal(x), 0.5 * (x - x.mT), u), 1.0)

    def log(self, g: Tensor) -> Tensor:
        """(..., n + 1, n + 1) [[s I + W, u], [0, 0]], the angle of W in (-pi, pi]."""
        if self.n > 3:
            return super().log(g)
        a, b = self.parts(g)
        x = self.linear.log(a)
        return homogeneous(x, spiral_return(mean_diagonal(x), 0.5 * (x - x.mT), b), 0.0)


def spiral_move(log_scale: Tensor, skew: Tensor, u: Tensor) -> Tensor:
    """(..., n) the translation phi1(s I + W) u, n = 2 or 3, of s (...), W (..., n, n) and u (..., n)."""
    f, b, c = quotients.spiral(log_scale, squared_angle(skew))
    once = apply(skew, u)
    return f[..., None] * u + b[..., None] * once + c[..., None] * apply(skew, once)


def spiral_return(log_scale: Tensor, skew: Tensor, translation: Tensor) -> Tensor:
    """(..., n) u with `spiral_move(s, W, u)` = translation, for angles below 2 pi.

    phi1 is p +- i q on the plane of W and f on the axis: the inverse has the same form, its coefficients divide by f
    and p^2 + q^2 alone.
    """
    square = squared_angle(skew)
    f, b, c = quotients.spiral(log_scale, square)
    p = f - c * square
    modulus = p.square() + square * b.square()
    once = apply(skew, translation)
    twice = apply(skew, once)
    first, second = -b / modulus, (b.square() - p * c) / (f * modulus)
    return translation / f[..., None] + first[..., None] * once + second[..., None] * twice


def squared_angle(skew: Tensor) -> Tensor:
    """(...) of a skew matrix (..., n, n) with one angle: half of its squared norm."""
    return 0.5 * skew.square().sum((-2, -1))


def scale_of(g: Tensor) -> Tensor:
    """(..., 1, 1) the scale of a rotation times a positive number."""
    return torch.linalg.matrix_norm(g, keepdim=True) / g.shape[-1] ** 0.5


def mean_diagonal(x: Tensor) -> Tensor:
    """(...) the trace over n."""
    return x.diagonal(dim1=-2, dim2=-1).mean(-1)
