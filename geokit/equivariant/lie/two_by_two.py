"""2x2 matrices: exponential, logarithm, functions of a symmetric matrix and the polar decomposition in closed form.

Everything follows from (B - mean)^2 = square I: a 2x2 matrix less half its trace squares to a multiple of I.
"""

import torch
from torch import Tensor

from geokit.equivariant.lie import quotients


def matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """(..., 2, 2) with rows (a, b) and (c, d)."""
    return torch.stack([a, b, c, d], dim=-1).unflatten(-1, (2, 2))


def entries(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """a, b, c, d of matrices (..., 2, 2)."""
    return matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 0], matrices[..., 1, 1]


def determinant(matrices: Tensor) -> Tensor:
    """(...)."""
    a, b, c, d = entries(matrices)
    return a * d - b * c


def inverse(matrices: Tensor) -> Tensor:
    """(..., 2, 2), by the adjugate: as accurate as elimination for this size."""
    a, b, c, d = entries(matrices)
    return matrix(d, -b, -c, a) / (a * d - b * c)[..., None, None]


def product(left: Tensor, right: Tensor) -> Tensor:
    """(..., 2, 2) left @ right; batched multiplication of so small matrices is mostly overhead."""
    a, b, c, d = entries(left)
    e, f, g, h = entries(right)
    return matrix(a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


def exp(matrices: Tensor) -> Tensor:
    """(..., 2, 2) the exponential of any matrix: e^m (cosh(r) I + sinh(r) / r (A - m I))."""
    a, b, c, d = entries(matrices)
    half = 0.5 * (a - d)
    even, odd = quotients.exp_pair(0.5 * (a + d), half.square() + b * c)
    return matrix(even + odd * half, odd * b, odd * c, even - odd * half)


def log(matrices: Tensor) -> Tensor:
    """(..., 2, 2) the principal logarithm: eigenvalues with angles in (-pi, pi). Not a number where there is none,
    which is where an eigenvalue is zero or negative."""
    a, b, c, d = entries(matrices)
    mean, half = 0.5 * (a + d), 0.5 * (a - d)
    square, det = half.square() + b * c, a * d - b * c
    one, ahead = torch.ones_like(mean), mean > 0
    ratio = square / torch.where(ahead, mean, one).square()
    turning = (square < 0) & ~(ahead & (ratio > -0.05))
    real = ahead & ~turning & (det > 0)
    safe = torch.where(real, mean, one)
    w = torch.where(real, ratio, torch.zeros_like(ratio))
    rest = torch.where(real, det, one) / safe.square()
    # The series of artanh(t) / t holds for small negative squares, too.
    quotient = quotients.area_tangent(w, rest) / safe
    root = torch.where(turning, -square, one).sqrt()
    quotient = torch.where(turning, torch.atan2(root, torch.where(turning, mean, one)) / root, quotient)
    quotient = torch.where(turning | real, quotient, torch.full_like(quotient, torch.nan))
    level = 0.5 * torch.where(turning | real, det, one).log()
    return matrix(level + quotient * half, quotient * b, quotient * c, level - quotient * half)


def polar(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric x and the rotation k (..., 2, 2) with matrices = exp(x) k, of matrices of positive determinant; not
    a number elsewhere.

    As a map of the complex plane a matrix is z -> alpha z + beta conj(z); k = alpha / |alpha|, and the singular values
    are |alpha| +- |beta|. No product of the matrix with its transpose, which would square the condition number.
    """
    a, b, c, d = entries(matrices)
    re, im, stretch, shear = a + d, c - b, a - d, b + c
    det = a * d - b * c
    square = torch.where((det > 0) & (det < torch.inf), re.square() + im.square(), torch.nan)
    length = square.sqrt()
    cos, sin = re / length, im / length
    quotient = quotients.area_tangent((stretch.square() + shear.square()) / square, 4 * det / square) / length
    first, second = quotient * (stretch * cos - shear * sin), quotient * (stretch * sin + shear * cos)
    level = 0.5 * det.log()
    return matrix(level + first, second, second, level - first), matrix(cos, -sin, sin, cos)


def symmetric_parts(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """m, e, f, r^2 of symmetric matrices m I + [[e, f], [f, -e]] with eigenvalues m +- r."""
    a, b, c, d = entries(matrices)
    half, off = 0.5 * (a - d), 0.5 * (b + c)
    return 0.5 * (a + d), half, off, half.square() + off.square()


def symmetric_matrix(even: Tensor, odd: Tensor, half: Tensor, off: Tensor) -> Tensor:
    """even I + odd [[e, f], [f, -e]]: a function of a symmetric matrix, of its mean value and divided difference."""
    return matrix(even + odd * half, odd * off, odd * off, even - odd * half)
