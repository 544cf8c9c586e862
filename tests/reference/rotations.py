"""Rotations by the definitions, in float64 and one at a time.

exp: the power series of the matrix. log: half the trace and the antisymmetric part, good only away
from 0 and pi. Procrustes: by the SVD. Gram-Schmidt: the last column by the cofactors of the determinant. P and Q:
the normalised projection and the un-projection of Zhou et al. (2019), as printed.
"""

import math

import torch
from torch import Tensor


def skew(v: Tensor) -> Tensor:
    x, y, z = v.tolist()
    return torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)


def exponential(v: Tensor) -> Tensor:
    power = total = torch.eye(3, dtype=torch.float64)
    for n in range(1, 60):
        power = power @ skew(v) / n
        total = total + power
    return total


def logarithm(m: Tensor) -> Tensor:
    angle = math.acos((float(m.trace()) - 1) / 2)
    return torch.stack([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]) * angle / (2 * math.sin(angle))


def jacobian(v: Tensor, steps: int = 500) -> Tensor:
    """The left Jacobian: the mean of exp(t v) over t in [0, 1], by the midpoint rule."""
    return sum((exponential((n + 0.5) / steps * v) for n in range(steps)), torch.zeros(3, 3).double()) / steps


def gram_schmidt(columns: Tensor) -> Tensor:
    n = columns.shape[0]
    basis: list[Tensor] = []
    for a in columns.T:
        rest = a - sum(((b @ a) * b for b in basis), torch.zeros(n, dtype=torch.float64))
        basis.append(rest / rest.norm())
    square = torch.stack([*basis, torch.zeros(n, dtype=torch.float64)], dim=1)
    last = []
    for row in range(n):
        square[:, -1] = 0
        square[row, -1] = 1
        last.append(torch.linalg.det(square))
    square[:, -1] = torch.stack(last)
    return square


def procrustes(m: Tensor) -> Tensor:
    u, _, vh = torch.linalg.svd(m)
    signs = torch.ones(len(m), dtype=torch.float64)
    signs[-1] = torch.linalg.det(u) * torch.linalg.det(vh)
    return u @ torch.diag(signs) @ vh


def projection(u: Tensor) -> Tensor:
    v = u / u.norm()
    return v[1:] / (1 - v[0])


def unprojection(u: Tensor) -> Tensor:
    return torch.cat([(u @ u - 1)[None] / 2, u]) / u.norm()
