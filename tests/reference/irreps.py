"""Slow float64 formulas of harmonics, rotations of coefficients and products of functions on the sphere."""

import math

import numpy as np
import torch
from scipy.special import sph_harm_y_all
from torch import Tensor


def harmonics(degree: int, vectors: Tensor) -> Tensor:
    """(N, (degree + 1)^2) real harmonics from scipy's complex ones: e3nn's axes, mean square 1."""
    x, y, z = (vectors / vectors.norm(dim=1, keepdim=True)).double().numpy().T
    table = sph_harm_y_all(degree, degree, np.arctan2(np.hypot(x, z), y), np.arctan2(x, z))
    columns = []
    for l in range(degree + 1):
        for m in range(-l, l + 1):
            part = table[l, abs(m)].imag if m < 0 else table[l, m].real
            columns.append(part * (1 if m == 0 else math.sqrt(2) * (-1) ** m))  # scipy's Condon-Shortley phase
    return torch.from_numpy(np.stack(columns, axis=-1)) * math.sqrt(4 * math.pi)


def rotation_of_coefficients(degree: int, matrix: Tensor) -> Tensor:
    """D (K, K) with Y(R v) = D Y(v): for each degree the least-squares fit over random directions."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(4 * degree + 10, 3, dtype=torch.float64, generator=generator)
    before, after = harmonics(degree, vectors), harmonics(degree, vectors @ matrix.T.double())
    blocks = []
    for l in range(degree + 1):
        own = slice(l * l, (l + 1) ** 2)
        blocks.append(torch.linalg.lstsq(before[:, own], after[:, own]).solution.T)
    return torch.block_diag(*blocks)


def gaunt_product(first: Tensor, second: Tensor, degree: int) -> Tensor:
    """(N, (degree + 1)^2) by e3nn's Wigner 3j-symbols (up to degree 11), path by path."""
    from e3nn import o3

    result = first.new_zeros(len(first), (degree + 1) ** 2)
    for a in range(math.isqrt(first.shape[1])):
        for b in range(math.isqrt(second.shape[1])):
            for c in range(abs(a - b), min(a + b, degree) + 1, 2):
                scale = math.sqrt((2 * a + 1) * (2 * b + 1) * (2 * c + 1)) * abs(zero_symbol(a, b, c))
                symbol = o3.wigner_3j(a, b, c, dtype=torch.float64)
                blocks = first[:, a * a : (a + 1) ** 2], second[:, b * b : (b + 1) ** 2]
                result[:, c * c : (c + 1) ** 2] += scale * torch.einsum("ni,nj,ijk->nk", *blocks, symbol)
    return result


def zero_symbol(a: int, b: int, c: int) -> float:
    """The 3j-symbol (a b c; 0 0 0) for a + b + c even (Edmonds 1957, equation 3.7.17)."""
    half = (a + b + c) // 2
    triangle = math.factorial(a + b - c) * math.factorial(a - b + c) * math.factorial(b + c - a)
    root = math.sqrt(triangle / math.factorial(a + b + c + 1))
    rest = math.factorial(half - a) * math.factorial(half - b) * math.factorial(half - c)
    return (-1) ** half * root * math.factorial(half) / rest
