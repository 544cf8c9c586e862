"""The channel mixing of ConvNeXt blocks, row by row: nothing wider than the features is stored between forward and
backward.

Made of torch's own kernels, applied to blocks of rows that stay in the cache: what is wide (four times the channels,
twice) is computed again in the backward pass, which costs one matrix product of seven and saves the page faults of
writing it.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op

ROWS = 1024  # a block: 2 MB of float32 at 512 wide channels
EPSILON = 1e-5

Weights = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def _mixing(
    x: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    out, x = x.new_empty(x.shape), x.contiguous()
    wide, active = (x.new_empty(min(ROWS, len(x)), len(up)) for _ in range(2))
    for rows, y in zip(x.split(ROWS), out.split(ROWS)):
        pre, act = wide[: len(rows)], active[: len(rows)]
        normal = torch.native_layer_norm(rows, rows.shape[1:], scale, shift, EPSILON)[0]
        torch.addmm(up_bias, normal, up.t(), out=pre)
        torch.ops.aten.gelu.out(pre, out=act)
        torch.addmm(down_bias, act, down.t(), out=y)
    return out


def _mixing_backward(
    x: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, y_bar: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    x, y_bar = x.contiguous(), y_bar.contiguous()
    x_bar = torch.empty_like(x)
    up_bar, down_bar = torch.zeros_like(up), torch.zeros_like(down)
    sums = [torch.zeros_like(t) for t in (scale, shift, up_bias)]
    buffers = [x.new_empty(min(ROWS, len(x)), len(up)) for _ in range(4)]
    narrow = x.new_empty(min(ROWS, len(x)), x.shape[1])
    for rows, bar, out in zip(x.split(ROWS), y_bar.split(ROWS), x_bar.split(ROWS)):
        pre, act, act_bar, pre_bar = (b[: len(rows)] for b in buffers)
        normal_bar = narrow[: len(rows)]
        normal, mean, deviation = torch.native_layer_norm(rows, rows.shape[1:], scale, shift, EPSILON)
        torch.addmm(up_bias, normal, up.t(), out=pre)
        torch.ops.aten.gelu.out(pre, out=act)
        down_bar.addmm_(bar.t(), act)
        torch.mm(bar, down, out=act_bar)
        torch.ops.aten.gelu_backward.grad_input(act_bar, pre, grad_input=pre_bar)
        up_bar.addmm_(pre_bar.t(), normal)
        torch.mm(pre_bar, up, out=normal_bar)
        bars = torch.ops.aten.native_layer_norm_backward(
            normal_bar, rows, rows.shape[1:], mean, deviation, scale, shift, [True, True, True]
        )
        out.copy_(bars[0])
        for total, part in zip(sums, (bars[1], bars[2], pre_bar.sum(0))):
            total += part
    return x_bar, sums[0], sums[1], up_bar, sums[2], down_bar, y_bar.sum(0)


_forward = custom_op("geokit::channel_mixing")(_mixing)
_backward = custom_op("geokit::channel_mixing_backward")(_mixing_backward)
torch.library.impl("geokit::channel_mixing", "cuda", _mixing)
torch.library.impl("geokit::channel_mixing_backward", "cuda", _mixing_backward)


@_forward.register_fake
def _(x: Tensor, *_weights: Tensor) -> Tensor:
    return x.new_empty(x.shape)


@_backward.register_fake
def _(
    x: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, y_bar: Tensor
) -> tuple[Tensor, ...]:
    bars = (x, scale, shift, up, up_bias, down, y_bar.sum(0))
    return tuple(t.new_empty(t.shape) for t in bars)


def _save(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    ctx.save_for_backward(*inputs[:7])


def _vjp(ctx: Any, y_bar: Tensor) -> tuple[Tensor, ...]:
    return tuple(_backward(*ctx.saved_tensors[:6], y_bar))


def _vjp_of_backward(ctx: Any, *bars: Tensor | None) -> tuple[Tensor | None, ...]:
    """The second derivative, by torch: the plain formula differentiated twice."""
    with torch.enable_grad():
        inputs = [t.detach().requires_grad_() for t in ctx.saved_tensors]
        *leaves, y_bar = inputs
        x, scale, shift, up, up_bias, down = leaves
        zero = torch.zeros_like(y_bar[0]).requires_grad_()
        y = plain_mixing(x, scale, shift, up, up_bias, down, zero)
        first = torch.autograd.grad(y, [*leaves, zero], y_bar, create_graph=True)
        pairs = [(f, b) for f, b in zip(first, bars) if b is not None and f.requires_grad]
        return torch.autograd.grad([f for f, _ in pairs], inputs, [b for _, b in pairs], allow_unused=True)


_forward.register_autograd(_vjp, setup_context=_save)
_backward.register_autograd(_vjp_of_backward, setup_context=_save)


def plain_mixing(
    x: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    """`channel_mixing` in plain torch."""
    linear = torch.nn.functional.linear
    normal = torch.nn.functional.layer_norm(x, x.shape[1:], scale, shift, EPSILON)
    return linear(torch.nn.functional.gelu(linear(normal, up, up_bias)), down, down_bias)


def channel_mixing(
    x: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    """down(gelu(up(layer_norm(x)))), (R, C), of rows x (R, C).

    scale, shift (C,) are the norm's; up (W, C), up_bias (W,), down (C, W), down_bias (C,) the linear maps'.
    Differentiable twice.
    """
    check_tensor("x", x, ("R", "C"), FLOATS)
    c, w = x.shape[1], len(up)
    for name, value, shape in (
        ("scale", scale, (c,)),
        ("shift", shift, (c,)),
        ("up", up, (w, c)),
        ("up_bias", up_bias, (w,)),
        ("down", down, (c, w)),
        ("down_bias", down_bias, (c,)),
    ):
        check_tensor(name, value, shape, x.dtype)
    return _forward(x, scale, shift, up, up_bias, down, down_bias)
