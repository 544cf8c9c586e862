"""Quotients such as (e^x - 1) / x, written so that neither they nor their gradients lose digits where they are 0 / 0.

A power series near the hole and the formula elsewhere. `torch.where` keeps each from seeing arguments of the other, so
that no gradient is the product of zero and infinity. Squares are arguments where the function is even: sqrt is not
differentiable at zero, the function is. A negative square gives the circular function of a hyperbolic one.
"""

import math

import torch
from torch import Tensor

SERIES_BELOW = 0.5
_EXPONENTIAL = [1 / math.factorial(k) for k in range(20)]


def polynomial(x: Tensor, coefficients: list[float]) -> Tensor:
    """sum_k c_k x^k."""
    total = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def phi1(x: Tensor) -> Tensor:
    """(e^x - 1) / x."""
    near = x.abs() < SERIES_BELOW
    small = torch.where(near, x, torch.zeros_like(x))
    large = torch.where(near, torch.ones_like(x), x)
    return torch.where(near, polynomial(small, _EXPONENTIAL[1:15]), torch.expm1(large) / large)


def exp_pair(mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
    """e^m cosh(r) and e^m sinh(r) / r of m and r^2; cos and sin for negative squares. No overflow but the result's."""
    near, positive = square.abs() < SERIES_BELOW, square >= SERIES_BELOW
    one = torch.ones_like(square)
    small = torch.where(near, square, torch.zeros_like(square))
    outer = torch.where(positive, square, one).sqrt()
    turn = torch.where(near | positive, one, -square).sqrt()
    decay, factor = torch.expm1(-2 * outer), torch.exp(mean)
    grown = 0.5 * torch.exp(torch.where(positive, mean + outer, torch.zeros_like(mean)))
    even = torch.where(near, polynomial(small, _EXPONENTIAL[0:18:2]), turn.cos())
    odd = torch.where(near, polynomial(small, _EXPONENTIAL[1:19:2]), turn.sin() / turn)
    cosine = torch.where(positive, grown * (2 + decay), factor * even)
    return cosine, torch.where(positive, -grown * decay / outer, factor * odd)


def area_tangent(square: Tensor, rest: Tensor) -> Tensor:
    """artanh(t) / t of t^2 in [0, 1), where rest = 1 - t^2 is given by itself, exact where it is small."""
    near = square < 0.05
    small = torch.where(near, square, torch.zeros_like(square))
    root = torch.where(near, torch.full_like(square, 0.25), square).sqrt()
    rest = torch.where(near, torch.ones_like(rest), rest)
    # artanh(t) = log((1 + t) / sqrt(1 - t^2)): no difference of nearly equal numbers.
    far = (torch.log1p(root) - 0.5 * rest.log()) / root
    return torch.where(near, polynomial(small, [1 / (2 * k + 1) for k in range(13)]), far)


def exp_difference(a: Tensor, b: Tensor) -> Tensor:
    """The divided difference (e^a - e^b) / (a - b)."""
    return exp_pair(0.5 * (a + b), (0.5 * (a - b)).square())[1]


def log_difference(a: Tensor, b: Tensor) -> Tensor:
    """The divided difference (log a - log b) / (a - b) of positive numbers."""
    total = a + b
    ratio = ((a - b) / total).square()
    return 2 * area_tangent(ratio, 4 * (a / total) * (b / total)) / total


def phi1_difference(a: Tensor, b: Tensor) -> Tensor:
    """The divided difference of phi1, which is the second one of exp at 0, a and b.

    By the two farthest of the three points, which do not cancel; by the series sum_k h_k(a, b) / (k + 2)! with the
    complete homogeneous polynomials h_k where all are near.
    """
    near = torch.maximum(a.abs(), b.abs()) < SERIES_BELOW
    p, q = (torch.where(near, value, torch.zeros_like(value)) for value in (a, b))
    homogeneous, power = torch.ones_like(p), torch.ones_like(p)
    series = 0.5 * homogeneous
    for k in range(1, 14):
        power = power * q
        homogeneous = p * homogeneous + power
        series = series + homogeneous * _EXPONENTIAL[k + 2]
    a, b = torch.where(near, torch.ones_like(a), a), torch.where(near, -torch.ones_like(b), b)
    zero = torch.zeros_like(a)
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    middle = torch.maximum(low, torch.minimum(high, zero))
    low, high = torch.minimum(low, zero), torch.maximum(high, zero)
    return torch.where(near, series, (exp_difference(middle, high) - exp_difference(low, middle)) / (high - low))


def spiral(log_scale: Tensor, square: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """f, b, c with phi1(s I + W) = f I + b W + c W^2 for a skew W of one angle t: W^3 = -t^2 W. Of s and t^2 >= 0.

    The mean of exp(u (s I + W)) over u in [0, 1], which carries the translational generator of a similarity to its
    translation. With z = s + i t: b = Im phi1(z) / t and c = (phi1(s) - Re phi1(z)) / t^2, without those divisions.
    """
    s = log_scale
    modulus = s.square() + square
    near = modulus < SERIES_BELOW**2
    zero, one = torch.zeros_like(modulus), torch.ones_like(modulus)
    small, small_square = torch.where(near, s, zero), torch.where(near, square, zero)
    # z^k = re + i t im, and rest = (s^k - re) / t^2.
    re, im, rest = one, zero, zero
    b_series, c_series = zero, zero
    for k in range(1, 15):
        rest, im, re = small * rest + im, small * im + re, small * re - small_square * im
        b_series, c_series = b_series + im * _EXPONENTIAL[k + 1], c_series + rest * _EXPONENTIAL[k + 1]
    s_far, square_far = torch.where(near, one, s), torch.where(near, one, square)
    factor = s_far.exp()
    cosine, sine = exp_pair(zero, -square_far)
    versine = 0.5 * exp_pair(zero, -0.25 * square_far)[1].square()
    f = phi1(s)
    b_far = (factor * (s_far * sine - cosine) + 1) / (s_far.square() + square_far)
    c_far = (s_far * factor * versine + phi1(s_far) - factor * sine) / (s_far.square() + square_far)
    return f, torch.where(near, b_series, b_far), torch.where(near, c_series, c_far)
