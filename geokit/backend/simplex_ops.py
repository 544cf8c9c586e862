"""The Fourier transform of weighted simplices of points, edges, triangles or tetrahedra.

out[c](f) = sum over simplices n of weights[n, c] phi_J(s_n0 .. s_nJ), s_nt = 2 pi f . places[n, t], where
phi_J = integral of exp(-i sum l_t s_t) over l >= 0, sum l = 1: the divided difference of exp(-i s) at the corners'
phases. Frequencies f are in cycles per unit of length. With three `sizes` they form a grid, and modes (2, 3) are the
first of each axis and the steps; with one size K, modes (K, 3) list them.
"""

from math import factorial
from typing import Any

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, plain

CHUNK = 1 << 20  # pairs of a simplex and a frequency that the formulas in plain torch hold at once


@custom_op("geokit::simplex_fourier", cuda=lambda *arguments: fourier_by_formula(*arguments))
def _fourier(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    inputs = plain(places, weights, modes)
    out = places.new_empty(_shape(weights, sizes))
    _native.simplex_fourier(*inputs, torch.tensor(sizes), out)
    return out


@_fourier.register_fake
def _(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    return places.new_empty(_shape(weights, sizes))


@custom_op("geokit::simplex_fourier_backward", cuda=lambda *arguments: backward_by_formula(*arguments))
def _backward(
    places: Tensor, weights: Tensor, modes: Tensor, out_bar: Tensor, sizes: list[int], by_places: bool
) -> tuple[Tensor, Tensor]:
    """The gradients by the places, empty unless asked for, and by the weights."""
    inputs = plain(places, weights, modes)
    places_bar = torch.empty_like(inputs[0]) if by_places else None
    weights_bar = torch.empty_like(inputs[1])
    _native.simplex_fourier_backward(*inputs, torch.tensor(sizes), *plain(out_bar), places_bar, weights_bar)
    return places.new_empty(0) if places_bar is None else places_bar, weights_bar


@_backward.register_fake
def _(
    places: Tensor, weights: Tensor, modes: Tensor, out_bar: Tensor, sizes: list[int], by_places: bool
) -> tuple[Tensor, Tensor]:
    return places.new_empty(places.shape if by_places else 0), weights.new_empty(weights.shape)


def simplex_fourier(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    """(C, *sizes, 2) real and imaginary parts, for places (N, J + 1, 3) and weights (N, C) of one dtype, N >= 1.

    modes is float64. Differentiable once by places and weights. On the CPU the result does not depend on the number of
    threads. Shapes and values are checked in `geokit.fields.simplex_fourier`.
    """
    return _fourier(places, weights, modes, sizes)


def fourier_by_formula(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    """`simplex_fourier` in plain torch for any device, some simplices and frequencies at a time."""
    parts = []
    for some in _frequencies(modes, sizes).split(max(CHUNK // max(len(places), 1), 1)):
        parts.append(_some_frequencies(places, weights, some))
    return torch.cat(parts, dim=1).reshape(_shape(weights, sizes))


def backward_by_formula(
    places: Tensor, weights: Tensor, modes: Tensor, out_bar: Tensor, sizes: list[int], by_places: bool
) -> tuple[Tensor, Tensor]:
    """Its gradients in plain torch for any device: those that autograd finds of the formula."""
    with torch.enable_grad():
        leaves = [places.detach().requires_grad_(by_places), weights.detach().requires_grad_()]
        bars = [torch.zeros_like(leaf) for leaf in leaves]
        frequencies = _frequencies(modes, sizes)
        chunk = max(CHUNK // max(len(places), 1), 1)
        out_bars = out_bar.reshape(out_bar.shape[0], -1, 2).split(chunk, dim=1)
        for some, some_bar in zip(frequencies.split(chunk), out_bars):
            wanted = [leaf for leaf in leaves if leaf.requires_grad]
            found = torch.autograd.grad(_some_frequencies(leaves[0], leaves[1], some), wanted, some_bar)
            for bar, more in zip(bars[-len(found) :], found):
                bar += more
    return bars[0] if by_places else places.new_empty(0), bars[1]


def _some_frequencies(places: Tensor, weights: Tensor, frequencies: Tensor) -> Tensor:
    turns = places.double() @ frequencies.T  # (N, J + 1, K)
    values = torch.view_as_real(_difference(2 * torch.pi * turns)).to(weights.dtype)
    return torch.einsum("nc,nkp->ckp", weights, values)


def _difference(phases: Tensor) -> Tensor:
    """phi_J of phases (N, J + 1, K) float64: the recursion of divided differences, or a series where it loses digits.

    Phases in ascending order are divided by the largest distance there is; below 2 the series about the middle takes
    over.
    """
    z = phases.sort(dim=1).values.unbind(1)
    table = [torch.exp(-1j * s) for s in z]
    for order in range(1, len(z)):
        table = [_of_order(z[i : i + order + 1], table[i], table[i + 1]) for i in range(len(z) - order)]
    return table[0]


def _of_order(z: tuple[Tensor, ...], lower: Tensor, upper: Tensor) -> Tensor:
    order = len(z) - 1
    half, middle = (z[-1] - z[0]) / 2, (z[0] + z[-1]) / 2
    near = half < 1
    far = 1j * (upper - lower) / torch.where(near, 2.0, 2 * half)
    deltas = [torch.where(near, s - middle, 0) for s in z]
    powers = [torch.ones_like(half)] * len(z)  # complete homogeneous polynomials of the first 1, 2, ... deltas
    series = powers[0] / factorial(order) + 0j
    for n in range(1, 20):
        powers = [deltas[0] * powers[0], *powers[1:]]
        for k in range(1, len(z)):
            powers[k] = deltas[k] * powers[k] + powers[k - 1]
        series = series + powers[-1] * ((-1j) ** n / factorial(n + order))
    return torch.where(near, torch.exp(-1j * middle) * series, far)


def _frequencies(modes: Tensor, sizes: list[int]) -> Tensor:
    """(K, 3)"""
    if len(sizes) == 1:
        return modes
    axes = [modes[0, a] + modes[1, a] * torch.arange(size).to(modes) for a, size in enumerate(sizes)]
    return torch.cartesian_prod(*axes)


def _shape(weights: Tensor, sizes: list[int]) -> tuple[int, ...]:
    return weights.shape[1], *sizes, 2


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.sizes = inputs
    ctx.save_for_backward(*tensors)


def _vjp(ctx: Any, out_bar: Tensor) -> tuple[Any, ...]:
    by_places, by_weights = ctx.needs_input_grad[:2]
    places_bar, weights_bar = _backward(*ctx.saved_tensors, out_bar, ctx.sizes, by_places)
    return places_bar if by_places else None, weights_bar if by_weights else None, None, None


_fourier.register_autograd(_vjp, setup_context=_setup)
