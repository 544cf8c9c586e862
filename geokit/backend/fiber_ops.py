"""Messages between nodes that hold features over orientations, without a kernel of the size of the edges in memory.

out[i,o,c] = sum over the edges e that i receives of k[e,o,c] features[senders[e],o,c], where
k[e,o,c] = sum_l profiles[e,o,l] weights[rows[e],l,c].
Operators take a graph as nine tensors: senders, receivers, rows, and offsets and order of the edges by each of them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.graph_ops import EdgeGroups
from geokit.backend.lanes import aligned, cut, padded
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.errors import InvalidInput


def _convolution_on_gpu(features: Tensor, weights: Tensor, profiles: Tensor, edges: list[Tensor]) -> Tensor:
    inputs = aligned(padded(features), padded(weights), profiles)
    _, orientations, channels = inputs[0].shape
    receivers, native = _receivers(edges), native_of(features)
    room = features.new_empty(native.fiber_convolution_room(len(profiles), receivers, orientations, channels))
    out = features.new_empty(receivers, orientations, channels)
    native.fiber_convolution(*inputs, *plain(*edges[:3], *edges[5:7]), room, out)
    return cut(out, features)


@custom_op("geokit::fiber_convolution", cuda=_convolution_on_gpu)
def _convolution(features: Tensor, weights: Tensor, profiles: Tensor, edges: list[Tensor]) -> Tensor:
    inputs = plain(padded(features), padded(weights), profiles)
    out = inputs[0].new_empty(_receivers(edges), *inputs[0].shape[1:])
    _native.fiber_convolution(*inputs, *plain(*edges[:3], *edges[5:7]), out)
    return cut(out, features)


@_convolution.register_fake
def _(features: Tensor, weights: Tensor, profiles: Tensor, edges: list[Tensor]) -> Tensor:
    return features.new_empty(_receivers(edges), *features.shape[1:])


def _backward_on_gpu(
    features: Tensor,
    weights: Tensor,
    profiles: Tensor,
    out_bar: Tensor,
    edges: list[Tensor],
    by_weights: bool,
    by_profiles: bool,
) -> tuple[Tensor, Tensor]:
    inputs = aligned(padded(features), padded(weights), profiles, padded(out_bar))
    rows, functions, channels = inputs[1].shape
    graph, native = plain(*edges[:3]), native_of(features)
    weights_bar, profiles_bar = weights.new_empty(0), profiles.new_empty(0)
    if by_weights:
        room = weights.new_empty(native.fiber_convolution_weights_room(len(profiles), rows, functions, channels))
        bar = torch.empty_like(inputs[1])
        native.fiber_convolution_weights(*inputs, *graph, *plain(*edges[7:]), room, bar)
        weights_bar = cut(bar, weights)
    if by_profiles:
        profiles_bar = torch.empty_like(inputs[2])
        native.fiber_convolution_profiles(*inputs, *graph, profiles_bar)
    return weights_bar, profiles_bar


@custom_op("geokit::fiber_convolution_backward", cuda=_backward_on_gpu)
def _backward(
    features: Tensor,
    weights: Tensor,
    profiles: Tensor,
    out_bar: Tensor,
    edges: list[Tensor],
    by_weights: bool,
    by_profiles: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients by the weights and by the profiles, each empty unless asked for."""
    inputs = plain(padded(features), padded(weights), profiles, padded(out_bar))
    weights_bar = torch.empty_like(inputs[1]) if by_weights else None
    profiles_bar = torch.empty_like(inputs[2]) if by_profiles else None
    _native.fiber_convolution_backward(*inputs, *plain(*edges[:3], *edges[7:]), weights_bar, profiles_bar)
    return (
        weights.new_empty(0) if weights_bar is None else cut(weights_bar, weights),
        profiles.new_empty(0) if profiles_bar is None else profiles_bar,
    )


@_backward.register_fake
def _(
    features: Tensor,
    weights: Tensor,
    profiles: Tensor,
    out_bar: Tensor,
    edges: list[Tensor],
    by_weights: bool,
    by_profiles: bool,
) -> tuple[Tensor, Tensor]:
    return (
        weights.new_empty(weights.shape if by_weights else 0),
        profiles.new_empty(profiles.shape if by_profiles else 0),
    )


def _receivers(edges: Sequence[Tensor]) -> int:
    return edges[5].shape[0] - 1


def _reversed(edges: Sequence[Tensor]) -> list[Tensor]:
    """The graph whose edges run from the receivers to the senders."""
    senders, receivers, rows, *groups = edges
    return [receivers, senders, rows, *groups[2:4], *groups[:2], *groups[4:]]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, edges = inputs
    ctx.save_for_backward(*tensors, *edges)


def _vjp(ctx: Any, out_bar: Tensor) -> tuple[Any, ...]:
    features, weights, profiles, *edges = ctx.saved_tensors
    needs = ctx.needs_input_grad
    features_bar = _convolution(out_bar, weights, profiles, _reversed(edges)) if needs[0] else None
    bars = _backward(features, weights, profiles, out_bar, edges, *needs[1:3]) if any(needs[1:3]) else (None, None)
    return features_bar, *(bar if need else None for bar, need in zip(bars, needs[1:3])), [None] * 9


def _backward_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, edges, by_weights, by_profiles = inputs
    ctx.asked = by_weights, by_profiles
    ctx.save_for_backward(*tensors, *edges)


def _backward_vjp(ctx: Any, weights_probe: Tensor, profiles_probe: Tensor) -> tuple[Any, ...]:
    """The gradients are linear in all but their own variable, so that theirs are the operators again.

    With the probes W and P, the sum of W weights_bar and P profiles_bar is that of out_bar and the convolutions with
    (W, profiles) and (weights, P) for (weights, profiles).
    """
    features, weights, profiles, out_bar, *edges = ctx.saved_tensors
    by_weights, by_profiles = ctx.asked
    needs = ctx.needs_input_grad
    pairs = [(weights_probe, profiles)] * by_weights + [(weights, profiles_probe)] * by_profiles
    bars: list[Any] = [None] * 4
    if needs[0]:
        bars[0] = sum(_convolution(out_bar, *pair, _reversed(edges)) for pair in pairs)
    if needs[1] and by_profiles:
        bars[1] = _backward(features, weights, profiles_probe, out_bar, edges, True, False)[0]
    if needs[2] and by_weights:
        bars[2] = _backward(features, weights_probe, profiles, out_bar, edges, False, True)[1]
    if needs[3]:
        bars[3] = sum(_convolution(features, *pair, edges) for pair in pairs)
    return *bars, [None] * 9, None, None


_convolution.register_autograd(_vjp, setup_context=_setup)
_backward.register_autograd(_backward_vjp, setup_context=_backward_setup)


def fiber_convolution(features: Tensor, weights: Tensor, profiles: Tensor, edges: EdgeGroups) -> Tensor:
    """(M, O, C) what each receiver gathers, for each of O orientations and C channels by itself.

    out[i,o,c] = sum over its edges e of features[senders[e],o,c] sum_l profiles[e,o,l] weights[rows[e],l,c]

    features (N, O, C), weights (K, L, C) and profiles (E, O, L) are all float32 or all float64, on the device of the
    graph; `edges` is made by `geokit.backend.graph_ops.edge_groups`. Differentiable twice by all three. The
    result has the same bits in every run, on any number of threads. Multiples of 16 channels are fastest.
    Raises `InvalidInput` for other shapes, dtypes or devices.
    """
    n, _, k = edges.sizes
    check_tensor("features", features, (n, "O", "C"), FLOATS)
    check_tensor("weights", weights, (k, "L", features.shape[2]), features.dtype)
    check_tensor("profiles", profiles, (len(edges), features.shape[1], weights.shape[1]), features.dtype)
    if 0 in features.shape[1:] or weights.shape[1] == 0:
        raise InvalidInput("features and weights must have at least one orientation, channel and basis function")
    for name, value in (("features", features), ("weights", weights), ("profiles", profiles)):
        if value.device != edges.senders.device:
            raise InvalidInput(f"{name} must be on {edges.senders.device} as the edges are, got {value.device}")
    groups = (*edges.by_sender, *edges.by_receiver, *edges.by_row)
    return _convolution(features, weights, profiles, [edges.senders, edges.receivers, edges.rows, *groups])
