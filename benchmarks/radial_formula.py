"""Sums of radial kernels in plain torch, pair by pair, to compare with."""

import math

import torch
from torch import Tensor


def taper(v: Tensor) -> Tensor:
    """1 at v = 0 and 0 from v = 1 on, flat at both ends to the third order."""
    v = v.clamp(max=1)
    return (1 - v) ** 4 * (1 + 4 * v + 10 * v**2 + 20 * v**3)


def profile_of(profile: str, s: Tensor, support: float) -> Tensor:
    """phi(s) of squared distances s, of any shape, 0 from support^2 on (cuda_ext/math/radial_basis.h lists them)."""
    v = (s / support**2).clamp(max=1)
    if profile == "bump":
        return (1 - v) ** 4
    if profile in ("wendland2", "wendland4"):
        r = v.clamp(min=1e-12).sqrt()
        return (1 - r) ** 4 * (4 * r + 1) if profile == "wendland2" else (1 - r) ** 6 * (35 * r**2 + 18 * r + 3) / 3
    if profile == "inverse_quadratic":
        value = 1 / (1 + s)
    elif profile == "inverse_multiquadric":
        value = (1 + s).rsqrt()
    elif profile == "gaussian":
        value = (-s / 2).exp()
    else:
        value = (1 / 8 - (s + 1 / 64).sqrt()).exp()
    return value * taper(v)


def kernel_values(y: Tensor, shapes: Tensor, profile: str, support: float, waves: bool) -> Tensor:
    """The kernel (P,) at offsets y (P, d) from centres whose rows are shapes (P, S)."""
    d = y.shape[1]
    rows, columns = torch.tril_indices(d, d, device=y.device)
    factor = torch.zeros(len(y), d, d, dtype=y.dtype, device=y.device)
    factor = factor.index_put(
        (torch.arange(len(y), device=y.device)[:, None], rows, columns), shapes[:, d : d + len(rows)]
    )
    u = (factor * y[:, None]).sum(2)
    if profile == "hat":
        return (1 - u.abs()).clamp(min=0).prod(1)
    value = profile_of(profile, u.square().sum(1), support)
    if waves:
        wave, phase = shapes[:, -d - 1 : -1], shapes[:, -1]
        value = value * (2 * math.pi * (wave * y).sum(1) + phase).cos()
    return value


def sum_by_formula(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    owners: tuple[Tensor, Tensor],
    profile: str,
    support: float,
    order: int,
    frequencies: Tensor | None,
    waves: bool,
) -> Tensor:
    """`radial_sum` of `geokit.backend.radial_ops` over pairs of queries and kernels, `owners`, by autograd."""
    queries, kernels = owners
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        y = x[queries] - shapes[kernels, : x.shape[1]]
        if not y.requires_grad:
            y.requires_grad_()
        value = kernel_values(y, shapes[kernels], profile, support, waves)
        parts = [value]
        if order > 0:
            slope = torch.autograd.grad(value.sum(), y, create_graph=True)[0]
            parts += slope.unbind(1)
        if order > 1:
            curved = [
                torch.autograd.grad(part.sum(), y, create_graph=True)[0][:, k] for k, part in enumerate(parts[1:])
            ]
            parts.append(torch.stack(curved).sum(0))
        jet = torch.stack(parts, 1)[:, :, None]
        if frequencies is not None:
            jet = _sines(jet, frequencies, order)
        out = x.new_zeros(len(x), len(parts), features.shape[1])
        out = out.index_add(0, queries, jet * features[kernels][:, None])
    return out if again else out.detach()


def _sines(jet: Tensor, f: Tensor, order: int) -> Tensor:
    """The jets (P, J, F) of sin(f phi) from those (P, J, 1) of phi."""
    sine, slope = (f * jet[:, :1]).sin(), f * (f * jet[:, :1]).cos()
    parts = [sine]
    if order > 0:
        last = -1 if order > 1 else None
        parts.append(slope * jet[:, 1:last])
    if order > 1:
        parts.append(slope * jet[:, -1:] - f**2 * sine * jet[:, 1:-1].square().sum(1, keepdim=True))
    return torch.cat(parts, 1)
