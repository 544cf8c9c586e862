"""Sums of quadratic B-splines, one at a time."""

import torch
from torch import Tensor

from geokit.backend.spline_ops import BIAS


def bump(t: Tensor) -> Tensor:
    """The quadratic B-spline of width 3 around 0, by its definition in pieces."""
    t = t.abs()
    return torch.where(t < 0.5, 0.75 - t**2, torch.where(t < 1.5, (1.5 - t) ** 2 / 2, torch.zeros_like(t)))


def spline_sum(x: Tensor, spacings: list[float], keys: list[Tensor], shares: list[Tensor]) -> Tensor:
    """(N,) at x (N, 3): over all lattices and nodes, shares times splines in the middle of the nodes' cells."""
    total = x.new_zeros(len(x))
    for spacing, own, values in zip(spacings, keys, shares):
        for key, value in zip(own.tolist(), values):
            cell = [(key >> shift & (1 << 20) - 1) - BIAS for shift in (40, 20, 0)]
            middle = (torch.tensor(cell, dtype=x.dtype) + 0.5) * spacing
            total = total + value * bump((x - middle) / spacing).prod(1)
    return total
