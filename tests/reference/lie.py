"""Lie groups by the definitions, in float64 and one matrix at a time: power series, scipy, difference quotients."""

from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from torch import Tensor


def exponential(x: Tensor) -> Tensor:
    """The power series, after halving until it converges fast, then squared back."""
    halvings = max(0, int(np.ceil(np.log2(max(float(x.norm()), 1e-300)))) + 2)
    small = x.double() / 2**halvings
    power = total = torch.eye(len(x), dtype=torch.float64)
    for k in range(1, 30):
        power = power @ small / k
        total = total + power
    for _ in range(halvings):
        total = total @ total
    return total


def logarithm(g: Tensor) -> Tensor:
    return torch.from_numpy(np.real(scipy.linalg.logm(g.double().numpy()))).double()


def polar(g: Tensor) -> tuple[Tensor, Tensor]:
    """log(p) and k with g = p k."""
    k, p = scipy.linalg.polar(g.double().numpy(), side="left")
    values, vectors = np.linalg.eigh(p)
    return torch.from_numpy(vectors * np.log(values) @ vectors.T), torch.from_numpy(k)


def phi1(x: Tensor, steps: int = 40) -> Tensor:
    """The integral of exp(t x) over t in [0, 1], by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return sum(
        (0.5 * w * exponential(0.5 * (1 + t) * x) for t, w in zip(nodes, weights)),
        torch.zeros_like(x, dtype=torch.float64),
    )


def derivative(function: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-4) -> Tensor:
    """(len(at), *shape) central differences of fourth order."""
    rows = []
    for i in range(len(at)):
        e = torch.zeros_like(at)
        e[i] = step
        one, two = function(at + e) - function(at - e), function(at + 2 * e) - function(at - 2 * e)
        rows.append((8 * one - two) / (12 * step))
    return torch.stack(rows)


def haar_density(basis: Tensor, split: int, x: Tensor, k: Tensor, side: str) -> float:
    """|det| of the derivative of (v, w) -> exp(v) k exp(w) at (x, k), in coordinates of the algebra carried to the
    identity from the `side`. basis: (dim, size, size), the first `split` spanning m; x: (split,) coordinates."""
    span = lambda c, b: torch.einsum("i,iab->ab", c, b)  # noqa: E731
    element = lambda c: exponential(span(c[:split], basis[:split])) @ k @ exponential(span(c[split:], basis[split:]))  # noqa: E731
    start = torch.cat([x, torch.zeros(len(basis) - split, dtype=torch.float64)])
    back = torch.linalg.inv(element(start))
    moves = derivative(element, start)
    carried = back @ moves if side == "left" else moves @ back
    return float(torch.linalg.det(carried.flatten(1) @ basis.flatten(1).T).abs())
