"""Quotients of angles that are smooth at zero, as functions of the squared angle.

A power series near zero, the formula elsewhere; `torch.where` keeps each out of the other's reach, so that neither
the value nor any derivative divides by zero. The borders are where the formula's derivative has lost few digits and
the series has all of them.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor


def check_batch(name: str, value: Tensor, tail: tuple[int | str, ...]) -> None:
    """Raise `InvalidInput` unless `value` is float32 or float64 of shape (..., *tail)."""
    leading = value.shape[: max(value.dim() - len(tail), 0)] if isinstance(value, Tensor) else ("...",)
    check_tensor(name, value, (*leading, *tail), FLOATS)


def sinc(square: Tensor) -> Tensor:
    """sin(x) / x of x^2."""
    return _split(square, 0.5, [(-1) ** k / math.factorial(2 * k + 1) for k in range(9)], lambda x: x.sin() / x)


def versine(square: Tensor) -> Tensor:
    """(1 - cos(x)) / x^2 of x^2; no digits cancel."""
    return 0.5 * sinc(0.25 * square).square()


def sine_defect(square: Tensor) -> Tensor:
    """(x - sin(x)) / x^3 of x^2."""
    terms = [(-1) ** k / math.factorial(2 * k + 3) for k in range(9)]
    return _split(square, 0.5, terms, lambda x: (x - x.sin()) / x**3)


def arc_tangent(square: Tensor) -> Tensor:
    """atan(x) / x of x^2."""
    return _split(square, 0.01, [(-1) ** k / (2 * k + 1) for k in range(9)], lambda x: x.atan() / x)


def _split(square: Tensor, border: float, terms: list[float], formula: Callable[[Tensor], Tensor]) -> Tensor:
    near = square < border
    small = torch.where(near, square, torch.zeros_like(square))
    series = torch.full_like(small, terms[-1])
    for term in reversed(terms[:-1]):
        series = series * small + term
    return torch.where(near, series, formula(torch.where(near, torch.ones_like(square), square).sqrt()))
