"""What the linear groups share: elements n x n, and the rotations as the compact part."""

from abc import abstractmethod

import torch
from torch import Tensor

from geokit.equivariant.lie import two_by_two
from geokit.equivariant.lie.bases import skew_basis
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.matrix_log import matrix_log
from geokit.errors import InvalidInput
from geokit.geometry.rotations import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
    random_rotations,
    skew_matrix,
    vector_from_skew,
)


class LinearGroup(LieGroup):
    """A group of matrices (n, n) whose maximal compact subgroup is SO(n). m consists of symmetric matrices.

    volume_preserving: whether every determinant is 1 or -1.
    """

    volume_preserving = False

    def __init__(self, n: int, complement: Tensor) -> None:
        super().__init__(n, complement, skew_basis(n))

    @abstractmethod
    def phi1(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """exp(x) and phi1(x) = (exp(x) - 1) / x, (..., n, n) both, of x in m: phi1 carries translational generators
        to translations."""

    @abstractmethod
    def phi1_inverse(self, x: Tensor) -> Tensor:
        """(..., n, n) x / (exp(x) - 1) of x in m."""

    @abstractmethod
    def phi1_determinant(self, x: Tensor) -> Tensor:
        """(...) det phi1(x) of x in m."""

    def compose(self, g: Tensor, h: Tensor) -> Tensor:
        """(..., n, n) the product g h."""
        return two_by_two.product(g, h) if self.n == 2 else g @ h

    def exp(self, algebra: Tensor) -> Tensor:
        """(..., n, n); n = 2 in closed form."""
        return two_by_two.exp(algebra) if self.n == 2 else torch.linalg.matrix_exp(algebra)

    def log(self, g: Tensor) -> Tensor:
        """(..., n, n) the principal logarithm; see `geokit.equivariant.lie.matrix_log.matrix_log`.

        Not a number (n = 2), or inaccurate, where an eigenvalue is negative: exp does not reach all of the group.
        """
        return matrix_log(g)

    def inverse(self, g: Tensor) -> Tensor:
        """(..., n, n); not finite where g is singular."""
        return two_by_two.inverse(g) if self.n == 2 else torch.linalg.inv_ex(g)[0]

    def compact_inverse(self, k: Tensor) -> Tensor:
        """(..., n, n) the transpose."""
        return k.mT

    def compact_log(self, k: Tensor) -> Tensor:
        """(..., n, n) skew."""
        return rotation_log(k)

    def compact_features(self, k: Tensor) -> Tensor:
        """(..., n (n - 1)) the first n - 1 columns, one after the other."""
        return k[..., : self.n - 1].mT.flatten(-2)

    def compact_sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, n, n), float64."""
        return random_rotations(count, self.n, generator=generator, device="cpu")


def raise_unless_dimension(n: int, least: int, name: str) -> None:
    """Raise `InvalidInput` where a group is asked for in fewer dimensions than it exists in."""
    if n < least:
        raise InvalidInput(f"{name}(n) needs n >= {least}, got n = {n}")


def identity_like(x: Tensor) -> Tensor:
    """(..., n, n) identities of the shape, dtype and device of x."""
    return torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).expand(x.shape)


def rotation_exp(skew: Tensor) -> Tensor:
    """(..., n, n) rotations of skew matrices (..., n, n): closed for n <= 3 (Rodrigues)."""
    n = skew.shape[-1]
    if n == 1:
        return torch.ones_like(skew)
    if n == 2:
        angle = 0.5 * (skew[..., 1, 0] - skew[..., 0, 1])
        cos, sin = angle.cos(), angle.sin()
        return two_by_two.matrix(cos, -sin, sin, cos)
    if n == 3:
        return matrix_from_axis_angle(vector_from_skew(skew))
    return torch.linalg.matrix_exp(0.5 * (skew - skew.mT))


def rotation_log(rotations: Tensor) -> Tensor:
    """(..., n, n) skew logarithms of rotations (..., n, n), angles in (-pi, pi]: closed and accurate at half turns for
    n <= 3. Larger n lose digits near half turns, and have no logarithm there (see `matrix_log`)."""
    n = rotations.shape[-1]
    if n == 1:
        return torch.zeros_like(rotations)
    if n == 2:
        a, b, c, d = two_by_two.entries(rotations)
        angle = torch.atan2(c - b, a + d)
        zero = torch.zeros_like(angle)
        return two_by_two.matrix(zero, -angle, angle, zero)
    if n == 3:
        return skew_matrix(axis_angle_from_matrix(rotations))
    log = matrix_log(rotations)
    return 0.5 * (log - log.mT)
