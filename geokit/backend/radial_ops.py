"""Sums of radial kernels over pairs of a query and a kernel, as torch operators.

A kernel is a row of `shapes`: its centre (d), its factor A by rows of the lower triangle (d (d + 1) / 2) and, with
waves, its wave vector in cycles per unit (d) and its phase in radians; `geokit.fields.kernels` makes fields of them.
Operators take pairs as the five tensors of `RadialPairs.lists`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.backend.radial_pairs import RadialPairs
from geokit.errors import InvalidInput

PROFILES = (
    "inverse_quadratic",
    "inverse_multiquadric",
    "gaussian",
    "markov",
    "wendland2",
    "wendland4",
    "bump",
    "hat",
)
PIECE = 512  # pairs of a kernel that a warp of a GPU sums up


def _row(*parts: Tensor) -> Tensor:
    """The parts (N, n) side by side, each with the room that kernels on their device want of it."""
    room = native_of(parts[0]).radial_room()
    return torch.cat([pad(part.detach(), (0, -part.shape[1] % room)) for part in parts], 1).contiguous()


def _parts(order: int, d: int) -> int:
    return (1, 1 + d, 2 + d)[order]


def _options(
    x: Tensor, features: Tensor, frequencies: Tensor, order: int, profile: int, waves: bool, support: float
) -> tuple[Any, ...]:
    f = plain(frequencies)[0] if frequencies.numel() else None
    return f, features.shape[1], x.shape[1], order, profile, waves, support


@custom_op("geokit::radial_sum", cuda=True)
def _sum(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
) -> Tensor:
    out = x.new_empty(len(x), _parts(order, x.shape[1]) * features.shape[1])
    options = _options(x, features, frequencies, order, profile, waves, support)
    by_query = plain(*pairs[:2], pairs[4])
    native_of(x).radial_sum(*plain(x), _row(shapes, features), *options, *by_query, out)
    return out


@_sum.register_fake
def _(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
) -> Tensor:
    return x.new_empty(len(x), _parts(order, x.shape[1]) * features.shape[1])


@custom_op("geokit::radial_queries_backward", cuda=True)
def _queries_backward(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    out_bar: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
) -> Tensor:
    x, out_bar = plain(x, out_bar)
    x_bar = torch.empty_like(x)
    options = _options(x, features, frequencies, order, profile, waves, support)
    by_query = plain(*pairs[:2], pairs[4])
    native_of(x).radial_queries_backward(x, _row(shapes, features), *options, *by_query, out_bar, x_bar)
    return x_bar


@_queries_backward.register_fake
def _(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    out_bar: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _kernels_backward_on_gpu(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    out_bar: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
    by_shapes: bool,
) -> tuple[Tensor, Tensor]:
    columns = out_bar.reshape(len(x), _parts(order, x.shape[1]), features.shape[1]).unbind(1)
    offsets, ids = plain(*pairs[2:4])
    starts = pad(((offsets.diff() + (PIECE - 1)) // PIECE).cumsum(0), (1, 0))
    width = features.shape[1] + (shapes.shape[1] if by_shapes else 0)
    bars, partial = x.new_empty(len(shapes), width), x.new_empty(len(shapes) + len(ids) // PIECE, width)
    options = _options(x, features, frequencies, order, profile, waves, support)
    native_of(x).radial_kernels_backward(
        _row(x, *columns), _row(shapes, features), *options, offsets, ids, by_shapes, PIECE, starts, partial, bars
    )
    return _apart(bars, features)


@custom_op("geokit::radial_kernels_backward", cuda=_kernels_backward_on_gpu)
def _kernels_backward(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    out_bar: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
    by_shapes: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients by the shapes, empty unless asked for, and by the features."""
    bars = x.new_empty(len(shapes), features.shape[1] + (shapes.shape[1] if by_shapes else 0))
    options = _options(x, features, frequencies, order, profile, waves, support)
    _native.radial_kernels_backward(
        _row(x, out_bar), _row(shapes, features), *options, *plain(*pairs[2:4]), by_shapes, bars
    )
    return _apart(bars, features)


def _apart(bars: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    width = bars.shape[1] - features.shape[1]
    return bars[:, :width].clone(), bars[:, width:].clone() if width else bars


@_kernels_backward.register_fake
def _(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    frequencies: Tensor,
    out_bar: Tensor,
    pairs: list[Tensor],
    order: int,
    profile: int,
    waves: bool,
    support: float,
    by_shapes: bool,
) -> tuple[Tensor, Tensor]:
    return shapes.new_empty(len(shapes), shapes.shape[1] if by_shapes else 0), features.new_empty(features.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, pairs, order, profile, waves, support = inputs
    ctx.options = order, profile, waves, support
    ctx.save_for_backward(*tensors, *pairs)


def _vjp(ctx: Any, out_bar: Tensor) -> tuple[Any, ...]:
    tensors, pairs, options = ctx.saved_tensors[:4], list(ctx.saved_tensors[4:]), ctx.options
    by_x, by_shapes, by_features = ctx.needs_input_grad[:3]
    x_bar = shapes_bar = features_bar = None
    if by_x and torch.is_grad_enabled() and options[0] == 0:
        # To be differentiated again: made of the gradients, which are an output of the same operator.
        x = tensors[0]
        slopes = _sum(*tensors, pairs, 1, *options[1:]).view(len(x), 1 + x.shape[1], -1)[:, 1:]
        x_bar = (slopes * out_bar[:, None]).sum(2)
    elif by_x:
        x_bar = _queries_backward(*tensors, out_bar, pairs, *options)
    if by_shapes or by_features:
        shapes_bar, features_bar = _kernels_backward(*tensors, out_bar, pairs, *options, by_shapes)
    return x_bar, shapes_bar if by_shapes else None, features_bar, None, [None] * 5, None, None, None, None


_sum.register_autograd(_vjp, setup_context=_setup)


def radial_sum(
    x: Tensor,
    shapes: Tensor,
    features: Tensor,
    pairs: RadialPairs,
    profile: str,
    support: float,
    order: int = 0,
    frequencies: Tensor | None = None,
    waves: bool = False,
) -> Tensor:
    """Sums of kernels at points x (N, d): (N, 1, F), (N, 1 + d, F) or (N, 2 + d, F) by `order`.

    Of every query the values, with order 1 the derivatives along each axis too, with order 2 the Laplacians as well.
    A kernel is a row of shapes (M, S), see above, with a feature for each of F channels, features (M, F). `profile` is
    one of `PROFILES`, zero from `support` on. With `frequencies` (F,) channel f sums features times sin(f phi).
    Differentiable by x, shapes and features; twice by x for order 0. The result is the same in every run and on any
    number of threads. Pairs that are not in the support add nothing, those
    that are missing are missed: `radial_pairs` finds them.
    Raises `InvalidInput` for other shapes, dtypes or devices, and for what the hat has not: waves and a Laplacian.
    """
    check_tensor("x", x, ("N", "d"), FLOATS)
    d = x.shape[1]
    if d not in (1, 2, 3):
        raise InvalidInput(f"x must have 1, 2 or 3 coordinates, got {d}")
    width = d + d * (d + 1) // 2 + (d + 1 if waves else 0)
    check_tensor("shapes", shapes, ("M", width), x.dtype)
    check_tensor("features", features, (len(shapes), "F"), x.dtype)
    if len(shapes) == 0 or features.shape[1] == 0:
        raise InvalidInput(f"there must be a kernel and a channel, got features {tuple(features.shape)}")
    if frequencies is not None:
        check_tensor("frequencies", frequencies, (features.shape[1],), x.dtype)
    if profile not in PROFILES:
        raise InvalidInput(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if order not in (0, 1, 2):
        raise InvalidInput(f"order must be 0, 1 or 2, got {order}")
    if profile == "hat" and (waves or order == 2):
        raise InvalidInput("the hat has neither waves nor a Laplacian, which is a measure on its edges: use wendland2")
    if (len(pairs.by_query[0]) - 1, len(pairs.by_kernel[0]) - 1) != (len(x), len(shapes)):
        raise InvalidInput(f"pairs must be those of {len(x):,} points and {len(shapes):,} kernels, got {pairs!r}")
    outputs = _parts(order, d) * features.shape[1]
    if max(len(x) * (d + outputs), len(shapes) * (width + features.shape[1])) >= 2**31:
        raise InvalidInput(f"{len(x):,} points with {outputs} outputs each are too many for a call: split them")
    sines = x.new_empty(0) if frequencies is None else frequencies
    out = _sum(x, shapes, features, sines, pairs.lists(), order, PROFILES.index(profile), waves, support)
    return out.view(len(x), _parts(order, d), features.shape[1])
