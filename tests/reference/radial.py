"""Sums of radial kernels, every query with every kernel, in float64: profiles as the papers write them, of r = |u|."""

import math

import torch
from torch import Tensor

MARKOV_TIP = 1 / 8


def septic_step(t: Tensor) -> Tensor:
    """From 0 at t <= 0 to 1 at t >= 1 with three derivatives zero at both ends."""
    t = t.clamp(0, 1)
    return 35 * t**4 - 84 * t**5 + 70 * t**6 - 20 * t**7


def profile(name: str, s: Tensor, support: float) -> Tensor:
    inside = s < support**2
    r = s.clamp(min=1e-24).sqrt() / support
    if name == "wendland2":
        value = (1 - r) ** 4 * (4 * r + 1)
    elif name == "wendland4":
        value = (1 - r) ** 6 * (35 / 3 * r**2 + 6 * r + 1)
    elif name == "bump":
        value = (1 - s / support**2) ** 4
    else:
        if name == "inverse_quadratic":
            value = 1 / (1 + s)
        elif name == "inverse_multiquadric":
            value = 1 / torch.sqrt(1 + s)
        elif name == "gaussian":
            value = torch.exp(-0.5 * s)
        elif name == "markov":
            value = torch.exp(-(torch.sqrt(s + MARKOV_TIP**2) - MARKOV_TIP))
        else:
            raise ValueError(name)
        value = value * (1 - septic_step(s / support**2))
    return torch.where(inside, value, 0.0)


def kernel(name: str, y: Tensor, row: Tensor, support: float, waves: bool) -> Tensor:
    """One kernel at offsets y (N, d) from its centre; row: centre, factor, and wave vector and phase."""
    d = y.shape[1]
    factor = y.new_zeros(d, d)
    place = d
    lines = []
    for k in range(d):
        lines.append(torch.cat([row[place : place + k + 1], factor[k, k + 1 :]]))
        place += k + 1
    u = y @ torch.stack(lines).T
    if name == "hat":
        return torch.prod(torch.clamp(1 - torch.abs(u), 0, 1), 1)
    value = profile(name, (u * u).sum(1), support)
    if waves:
        value = value * torch.cos(2 * math.pi * (y @ row[place : place + d]) + row[place + d])
    return value


def radial_sum(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    name: str,
    support: float,
    order: int = 0,
    frequencies: Tensor | None = None,
    waves: bool = False,
) -> Tensor:
    """(N, 1, F), (N, 1 + d, F) or (N, 2 + d, F); derivatives by autograd of every channel."""
    d = x.shape[1]
    x = x if x.requires_grad else x.clone().requires_grad_()
    channels = []
    for f in range(features.shape[1]):
        value = torch.zeros(len(x), dtype=x.dtype) + 0 * x.sum()
        for row, weight in zip(shapes, features[:, f]):
            phi = kernel(name, x - row[:d], row, support, waves)
            value = value + weight * (phi if frequencies is None else torch.sin(frequencies[f] * phi))
        parts = [value]
        if order > 0:
            slope = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
            parts += list(slope.T)
        if order > 1:
            curved = [torch.autograd.grad(slope[:, k].sum(), x, create_graph=True)[0][:, k] for k in range(d)]
            parts.append(sum(curved))
        channels.append(torch.stack(parts, 1))
    return torch.stack(channels, 2)
