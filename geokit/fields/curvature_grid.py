"""Motion by mean curvature of all level sets of samples on a grid."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

_STAGES = 11  # of a step at most: as far as 32 explicit steps for the work of 11


def curvature_speed(f: Tensor, cell: float) -> Tensor:
    """f_t = |grad f| div(grad f / |grad f|) at every sample of f (n_1, ..., n_d), d = 2 or 3, cubes of side `cell`.

    It is laplacian f - (grad f . H grad f) / |grad f|^2, by differences of the fourth order; at the borders the
    function goes on as its mirror image. Where the gradient vanishes it is the limit of the mean over directions.
    """
    d = f.ndim
    slopes = [_slope(f, k, cell) for k in range(d)]
    square = torch.zeros_like(f)
    for slope in slopes:
        square.addcmul_(slope, slope)
    laplacian, along = torch.zeros_like(f), torch.zeros_like(f)
    for k in range(d):
        second = _second(f, k, cell)
        laplacian += second
        along.addcmul_(second, slopes[k] * slopes[k])
        for j in range(k):
            along.addcmul_(_slope(slopes[j], k, cell), slopes[k] * slopes[j], value=2)
    # A share that tends to laplacian / d where the gradient is small against what it changes by over a cell.
    floor = (1e-3 * laplacian.abs() * cell).square_() + 1e-300
    return laplacian - (along + floor * laplacian / d) / (square + floor)


def curvature_steps(f: Tensor, cell: float, times: list[float]) -> Iterator[tuple[Tensor, Tensor]]:
    """f and f_t at each of the ascending times, from f at time 0 on.

    Steps are those of the stabilised Runge-Kutta-Legendre method of second order (Meyer, Balsara, Aslam 2014), whose
    stable length grows with the square of the number of stages.
    """
    # Of Euler's steps, for second differences of the fourth order, with a tenth to spare.
    explicit = 0.9 * cell**2 * 3 / (8 * f.ndim)
    now = 0.0
    for time in times:
        count = math.ceil((time - now) / (explicit * _reach(_STAGES)) - 1e-9)
        length = (time - now) / count
        stages = next(s for s in range(3, _STAGES + 1) if explicit * _reach(s) >= length * (1 - 1e-6))
        for _ in range(count):
            f = _super_step(f, cell, length, stages)
        now = time
        yield f, curvature_speed(f, cell)


def _reach(stages: int) -> float:
    """The stable length in Euler's steps."""
    return (stages**2 + stages - 2) / 4


def _super_step(f: Tensor, cell: float, length: float, s: int) -> Tensor:
    b = [1 / 3, 1 / 3, 1 / 3] + [(j * j + j - 2) / (2 * j * (j + 1)) for j in range(3, s + 1)]
    w = 4 / (s * s + s - 2)
    start = curvature_speed(f, cell) * length
    before, now = f, f + b[1] * w * start
    for j in range(2, s + 1):
        mu = (2 * j - 1) / j * b[j] / b[j - 1]
        nu = -(j - 1) / j * b[j] / b[j - 2]
        gamma = -(1 - b[j - 1]) * mu * w
        speed = curvature_speed(now, cell) * length
        before, now = now, mu * now + nu * before + (1 - mu - nu) * f + mu * w * speed + gamma * start
    return now


def _parts(f: Tensor, k: int) -> list[Tensor]:
    """f moved by -2, -1, 1 and 2 samples along axis k, mirrored at the borders."""
    n = f.shape[k]
    first, last = f.narrow(k, 1, 2).flip(k), f.narrow(k, n - 3, 2).flip(k)
    wide = torch.cat([first, f, last], k)
    return [wide.narrow(k, 2 + step, n) for step in (-2, -1, 1, 2)]


def _slope(f: Tensor, k: int, cell: float) -> Tensor:
    a, b, c, e = _parts(f, k)
    return (c - b).mul_(8).sub_(e - a).div_(12 * cell)


def _second(f: Tensor, k: int, cell: float) -> Tensor:
    a, b, c, e = _parts(f, k)
    return (b + c).mul_(16).sub_(a + e).sub_(f, alpha=30).div_(12 * cell**2)
