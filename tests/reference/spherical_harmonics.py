"""Real spherical harmonics of a unit direction (x, y, z), in the sign convention of 3DGS.

Y_l^m = (-1)^m c N_l^|m| (d/dz)^|m| P_l(z) * {Re (x + iy)^m for m >= 0, Im (x + iy)^|m| for m < 0},
N_l^m = sqrt((2l + 1) / (4 pi) (l - m)! / (l + m)!), c = 1 for m = 0 and sqrt(2) otherwise; P_l Legendre's polynomial.
The basis is ordered (0,0), (1,-1), (1,0), (1,1), (2,-2), ... The factor (-1)^m is the Condon-Shortley phase.
"""

import math

import torch
from numpy.polynomial import legendre, polynomial
from torch import Tensor


def basis(degree: int, directions: Tensor) -> Tensor:
    """(N, (degree + 1)^2) basis functions at `directions` (N, 3) of any non-zero length."""
    x, y, z = (directions / directions.norm(dim=-1, keepdim=True)).unbind(-1)
    columns = []
    for l in range(degree + 1):
        in_powers_of_z = legendre.leg2poly([0.0] * l + [1.0])
        for m in range(-l, l + 1):
            coefficients = polynomial.polyder(in_powers_of_z, abs(m))
            value = sum(float(c) * z**p for p, c in enumerate(coefficients))
            real, imaginary = torch.ones_like(x), torch.zeros_like(x)
            for _ in range(abs(m)):
                real, imaginary = real * x - imaginary * y, real * y + imaginary * x
            norm = math.sqrt((2 * l + 1) / (4 * math.pi) * math.factorial(l - abs(m)) / math.factorial(l + abs(m)))
            sign = (-1) ** abs(m) * (math.sqrt(2) if m else 1)
            columns.append(sign * norm * value * (imaginary if m < 0 else real))
    return torch.stack(columns, -1)


def spherical_harmonics(degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None = None) -> Tensor:
    """(N, 3) sum of the first (degree + 1)^2 coefficients (N, B, 3) times the basis; zeros where not visible."""
    colors = torch.einsum("nb,nbc->nc", basis(degree, directions), coeffs[:, : (degree + 1) ** 2])
    return colors if visible is None else torch.where(visible[:, None], colors, 0.0)
