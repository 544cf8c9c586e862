"""The Fourier transform of weighted simplices of points, edges, triangles or tetrahedra.

out[c](f) = sum over simplices n of weights[n, c] phi_J(s_n0 .. s_nJ), s_nt = 2 pi f . places[n, t], where
phi_J = integral of exp(-i sum l_t s_t) over l >= 0, sum l = 1: the divided difference of exp(-i s) at the corners'
phases. Frequencies f are in cycles per unit of length. With three `sizes` they form a grid, and modes (2, 3) are the
first of each axis and the steps; with one size K, modes (K, 3) list them.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, native_of, plain


def _fourier_on_gpu(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    inputs = plain(places, weights, modes)
    native = native_of(places)
    parts = native.simplex_fourier_parts(len(places), inputs[2], sizes)
    sums = modes.new_empty(parts, *_shape(weights, sizes))
    native.simplex_fourier(*inputs, sizes, sums)
    return sums.sum(0).to(places.dtype)


def _backward_on_gpu(
    places: Tensor, weights: Tensor, modes: Tensor, out_bar: Tensor, sizes: list[int], by_places: bool
) -> tuple[Tensor, Tensor]:
    inputs = plain(places, weights, modes)
    native, (count, channels) = native_of(places), weights.shape
    parts = native.simplex_fourier_backward_parts(count, inputs[2], sizes)
    sums = modes.new_empty(parts, count, 12 + channels + -channels % 4)
    native.simplex_fourier_backward(*inputs, sizes, *plain(out_bar), by_places, sums)
    total = sums.sum(0).to(places.dtype)
    coordinates = places.shape[1] * 3 if by_places else 0
    places_bar = total[:, :coordinates].reshape(places.shape if by_places else 0)
    return places_bar, total[:, 12 : 12 + channels].contiguous()


@custom_op("geokit::simplex_fourier", cuda=_fourier_on_gpu)
def _fourier(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    inputs = plain(places, weights, modes)
    out = places.new_empty(_shape(weights, sizes))
    _native.simplex_fourier(*inputs, sizes, out)
    return out


@_fourier.register_fake
def _(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    return places.new_empty(_shape(weights, sizes))


@custom_op("geokit::simplex_fourier_backward", cuda=_backward_on_gpu)
def _backward(
    places: Tensor, weights: Tensor, modes: Tensor, out_bar: Tensor, sizes: list[int], by_places: bool
) -> tuple[Tensor, Tensor]:
    """The gradients by the places, empty unless asked for, and by the weights."""
    inputs = plain(places, weights, modes)
    places_bar = torch.empty_like(inputs[0]) if by_places else None
    weights_bar = torch.empty_like(inputs[1])
    _native.simplex_fourier_backward(*inputs, sizes, *plain(out_bar), places_bar, weights_bar)
    return places.new_empty(0) if places_bar is None else places_bar, weights_bar


@_backward.register_fake
def _(
    places: Tensor, weights: Tensor, modes: Tensor, out_bar: Tensor, sizes: list[int], by_places: bool
) -> tuple[Tensor, Tensor]:
    return places.new_empty(places.shape if by_places else 0), weights.new_empty(weights.shape)


def simplex_fourier(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    """(C, *sizes, 2) real and imaginary parts, for places (N, J + 1, 3) and weights (N, C) of one dtype, N >= 1.

    modes is float64. Differentiable once by places and weights. The result has the same bits in every run,
    on any number of threads. Shapes and values are checked in `geokit.fields.simplex_fourier`.
    """
    return _fourier(places, weights, modes, sizes)


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
