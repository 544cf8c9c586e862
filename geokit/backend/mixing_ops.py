"""The channel mixing of ConvNeXt blocks, some rows at a time.

Made of torch's own kernels, applied to blocks of rows that stay in a CPU's cache. Of what is wide (four times the
channels) only the values before the activation are kept for the backward pass; the rest is computed again.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op

ROWS = 1024  # a block: 2 MB of float32 at 512 wide channels
ROWS_ON_GPU = 1 << 16  # where a block should fill the device, and only its buffers must not be large
EPSILON = 1e-5


def _mixing(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """The result (R, C) and what is activated (R, W)."""
    out, x, block = x.new_empty(x.shape), x.contiguous(), _block(x)
    wide, active = x.new_empty(len(x), len(up)), x.new_empty(min(block, len(x)), len(up))
    for rows, pre, y in zip(x.split(block), wide.split(block), out.split(block)):
        act = active[: len(rows)]
        normal = torch.native_layer_norm(rows + bias, rows.shape[1:], scale, shift, EPSILON)[0]
        torch.addmm(up_bias, normal, up.t(), out=pre)
        torch.ops.aten.gelu.out(pre, out=act)
        torch.addmm(down_bias, act, down.t(), out=y)
    return out, wide


def _mixing_backward(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, down: Tensor, wide: Tensor, y_bar: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """By x, scale, shift, up, up_bias, down and down_bias; by bias it is the sum over the rows of that by x."""
    x, y_bar, block = x.contiguous(), y_bar.contiguous(), _block(x)
    x_bar = torch.empty_like(x)
    up_bar, down_bar = torch.zeros_like(up), torch.zeros_like(down)
    sums = [torch.zeros_like(scale), torch.zeros_like(shift), up.new_zeros(len(up))]
    buffers = [x.new_empty(min(block, len(x)), len(up)) for _ in range(3)]
    narrow = x.new_empty(min(block, len(x)), x.shape[1])
    for rows, pre, bar, out in zip(*(t.split(block) for t in (x, wide, y_bar, x_bar))):
        act, act_bar, pre_bar = (b[: len(rows)] for b in buffers)
        normal_bar = narrow[: len(rows)]
        shifted = rows + bias
        normal, mean, deviation = torch.native_layer_norm(shifted, rows.shape[1:], scale, shift, EPSILON)
        torch.ops.aten.gelu.out(pre, out=act)
        down_bar.addmm_(bar.t(), act)
        torch.mm(bar, down, out=act_bar)
        torch.ops.aten.gelu_backward.grad_input(act_bar, pre, grad_input=pre_bar)
        up_bar.addmm_(pre_bar.t(), normal)
        torch.mm(pre_bar, up, out=normal_bar)
        bars = torch.ops.aten.native_layer_norm_backward(
            normal_bar, shifted, rows.shape[1:], mean, deviation, scale, shift, [True, True, True]
        )
        out.copy_(bars[0])
        for total, part in zip(sums, (bars[1], bars[2], pre_bar.sum(0))):
            total += part
    return x_bar, sums[0], sums[1], up_bar, sums[2], down_bar, y_bar.sum(0)


def _block(x: Tensor) -> int:
    return ROWS if x.device.type == "cpu" else ROWS_ON_GPU


_forward = custom_op("geokit::channel_mixing", cuda=True)(_mixing)
_backward = custom_op("geokit::channel_mixing_backward", cuda=True)(_mixing_backward)


@_forward.register_fake
def _(x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, *_weights: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape[0], up.shape[0])


@_backward.register_fake
def _(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, down: Tensor, wide: Tensor, y_bar: Tensor
) -> tuple[Tensor, ...]:
    bars = (x, scale, shift, up, up[:, 0], down, down[:, 0])
    return tuple(t.new_empty(t.shape) for t in bars)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, bias, scale, shift, up, _up_bias, down, _down_bias = inputs
    ctx.save_for_backward(x, bias, scale, shift, up, down, output[1])
    ctx.set_materialize_grads(False)


def _vjp(ctx: Any, y_bar: Tensor | None, wide_bar: Tensor | None) -> tuple[Tensor | None, ...]:
    x, bias, scale, shift, up, down, wide = ctx.saved_tensors
    bars: list[Tensor | None] = [None] * 8
    if y_bar is not None:
        x_bar, *others = _backward(x, bias, scale, shift, up, down, wide, y_bar)
        bars = [x_bar, x_bar.sum(0), *others]
    if wide_bar is None:
        return tuple(bars)
    # Only a second derivative asks for what is activated.
    by_wide = _plain_vjp_of_wide(x, bias, scale, shift, up, wide_bar)
    return *(b if a is None else a + b for a, b in zip(bars, by_wide)), *bars[6:]


def _plain_vjp_of_wide(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, wide_bar: Tensor
) -> tuple[Tensor, ...]:
    """By x, bias, scale, shift, up and up_bias, in plain torch."""
    with torch.enable_grad():
        leaves = [t.detach().requires_grad_() for t in (x, bias, scale, shift)]
        rows, added, scale, shift = leaves
        normal = torch.nn.functional.layer_norm(rows + added, x.shape[1:], scale, shift, EPSILON)
        bars = torch.autograd.grad(normal, leaves, wide_bar @ up)
    return *bars, wide_bar.t() @ normal.detach(), wide_bar.sum(0)


def _save_backward(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    ctx.save_for_backward(*inputs)


def _vjp_of_backward(ctx: Any, *bars: Tensor) -> tuple[Tensor | None, ...]:
    """The second derivative, by torch: the plain formula differentiated twice, with what is activated as a variable."""
    with torch.enable_grad():
        inputs = [t.detach().requires_grad_() for t in ctx.saved_tensors]
        first = _plain_backward(*inputs)
        return torch.autograd.grad(first, inputs, bars, allow_unused=True)


def _plain_backward(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, down: Tensor, wide: Tensor, y_bar: Tensor
) -> tuple[Tensor, ...]:
    """`_mixing_backward` in plain torch, differentiable by all of its arguments."""
    normal = torch.nn.functional.layer_norm(x + bias, x.shape[1:], scale, shift, EPSILON)
    active = torch.nn.functional.gelu(wide)
    (pre_bar,) = torch.autograd.grad(active, wide, y_bar @ down, create_graph=True)
    by_norm = torch.autograd.grad(normal, [x, scale, shift], pre_bar @ up, create_graph=True)
    return *by_norm, pre_bar.t() @ normal, pre_bar.sum(0), y_bar.t() @ active, y_bar.sum(0)


_forward.register_autograd(_vjp, setup_context=_save)
_backward.register_autograd(_vjp_of_backward, setup_context=_save_backward)


def plain_mixing(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    """`channel_mixing` in plain torch."""
    linear = torch.nn.functional.linear
    normal = torch.nn.functional.layer_norm(x + bias, x.shape[1:], scale, shift, EPSILON)
    return linear(torch.nn.functional.gelu(linear(normal, up, up_bias)), down, down_bias)


def channel_mixing(
    x: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor
) -> Tensor:
    """down(gelu(up(layer_norm(x + bias)))), (R, C), of rows x (R, C).

    bias, scale, shift (C,) are the rows' and the norm's; up (W, C), up_bias (W,), down (C, W), down_bias (C,) those of
    the linear maps. Differentiable twice.
    """
    check_tensor("x", x, ("R", "C"), FLOATS)
    c, w = x.shape[1], len(up)
    for name, value, shape in (
        ("bias", bias, (c,)),
        ("scale", scale, (c,)),
        ("shift", shift, (c,)),
        ("up", up, (w, c)),
        ("up_bias", up_bias, (w,)),
        ("down", down, (c, w)),
        ("down_bias", down_bias, (c,)),
    ):
        check_tensor(name, value, shape, x.dtype)
    return _forward(x, bias, scale, shift, up, up_bias, down, down_bias)[0]
