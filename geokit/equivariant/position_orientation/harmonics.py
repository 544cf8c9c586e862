"""Zonal polynomials: what a function of the angle between two directions is expanded in."""

import torch
from torch import Tensor


def zonal(dim: int, degree: int, cosine: Tensor, squared: Tensor | float = 1.0) -> Tensor:
    """The homogeneous zonal polynomials Z_l(t, q) of degree l = 0 ... `degree`, stacked last: (..., degree + 1).

    `cosine` t (...) is o . u and `squared` q is |u|^2 for a unit vector o and any vector u (1 for a unit vector), so
    that Z_l = |u|^l P_l(cos): Legendre polynomials in space (dim 3), cos(l angle) in the plane (dim 2). They are
    polynomials of u, hence smooth at u = 0, where P_l of the direction alone is not. By the three-term recurrences.
    """
    values = [torch.ones_like(cosine), cosine]
    for l in range(1, degree):
        if dim == 3:
            values.append(((2 * l + 1) * cosine * values[-1] - l * squared * values[-2]) / (l + 1))
        else:
            values.append(2 * cosine * values[-1] - squared * values[-2])
    return torch.stack(values[: degree + 1], -1)


def odd_zonal(degree: int, cosine: Tensor, sine: Tensor, squared: Tensor | float = 1.0) -> Tensor:
    """|u|^l sin(l angle) for l = 1 ... `degree` in the plane, (..., degree): what a mirror turns into its negative.

    `cosine` is o . u, `sine` is o^perp . u with o^perp a quarter turn ahead of o, `squared` is |u|^2.
    """
    values = [torch.zeros_like(cosine), sine]
    for _ in range(1, degree):
        values.append(2 * cosine * values[-1] - squared * values[-2])
    return torch.stack(values[1 : degree + 1], -1)
