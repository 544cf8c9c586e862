"""Interpolation in grids of several resolutions, dense or hashed, with derivatives of every order by the points.

The operators take points as (d, N) and give features as (L F, N): a level's pass then reads and writes in a row, and
the products of a network's first layer want no other order.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend import grid_formulas
from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.grid_layout import BASES, GridLayout
from geokit.backend.native import custom_op, native_of, plain
from geokit.errors import InvalidInput


@custom_op("geokit::grid_encode", cuda=True)
def _encode(x: Tensor, table: Tensor, levels: list[int], basis: str) -> Tensor:
    inputs = plain(x, table)
    out = x.new_empty(_width(x, table, levels), x.shape[1])
    native_of(x).grid_encode(*inputs, levels, BASES.index(basis), out)
    return out


@_encode.register_fake
def _(x: Tensor, table: Tensor, levels: list[int], basis: str) -> Tensor:
    return x.new_empty(_width(x, table, levels), x.shape[1])


def _backward_on_gpu(
    x: Tensor, table: Tensor, bar: Tensor, levels: list[int], basis: str, by_x: bool, by_table: bool
) -> tuple[Tensor, Tensor]:
    inputs = (x, table, bar, levels, basis)
    if by_table and torch.are_deterministic_algorithms_enabled():
        return _backward_by_kernels(*inputs, by_x, False)[0], grid_formulas.backward(*inputs, False, True)[1]
    return _backward_by_kernels(*inputs, by_x, by_table)


@custom_op("geokit::grid_encode_backward", cuda=_backward_on_gpu)
def _backward(
    x: Tensor, table: Tensor, bar: Tensor, levels: list[int], basis: str, by_x: bool, by_table: bool
) -> tuple[Tensor, Tensor]:
    """The gradients by the points and by the table, each empty unless asked for."""
    return _backward_by_kernels(x, table, bar, levels, basis, by_x, by_table)


def _backward_by_kernels(
    x: Tensor, table: Tensor, bar: Tensor, levels: list[int], basis: str, by_x: bool, by_table: bool
) -> tuple[Tensor, Tensor]:
    inputs = plain(x, table, bar)
    x_bar, table_bar = _asked(inputs[0], by_x), _asked(inputs[1], by_table)
    native_of(x).grid_encode_backward(*inputs, levels, BASES.index(basis), table_bar, x_bar)
    return _or_empty(x_bar, x), _or_empty(table_bar, table)


@_backward.register_fake
def _(
    x: Tensor, table: Tensor, bar: Tensor, levels: list[int], basis: str, by_x: bool, by_table: bool
) -> tuple[Tensor, Tensor]:
    return _shaped(x, by_x), _shaped(table, by_table)


def _second_on_gpu(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    *inputs, by_x, by_table, by_bar = arguments
    if by_table and torch.are_deterministic_algorithms_enabled():
        x_bar, _, out = _second_by_kernels(*(*inputs, by_x, False, by_bar))
        return x_bar, grid_formulas.second(*(*inputs, False, True, False))[1], out
    return _second_by_kernels(*arguments)


@custom_op("geokit::grid_encode_second", cuda=_second_on_gpu)
def _second(
    x: Tensor,
    table: Tensor,
    bar: Tensor,
    x_probe: Tensor | None,
    table_probe: Tensor | None,
    levels: list[int],
    basis: str,
    by_x: bool,
    by_table: bool,
    by_bar: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the gradients above, weighted by the probes: by x, table and bar, empty unless asked for."""
    return _second_by_kernels(x, table, bar, x_probe, table_probe, levels, basis, by_x, by_table, by_bar)


def _second_by_kernels(
    x: Tensor,
    table: Tensor,
    bar: Tensor,
    x_probe: Tensor | None,
    table_probe: Tensor | None,
    levels: list[int],
    basis: str,
    by_x: bool,
    by_table: bool,
    by_bar: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    inputs = plain(x, table, bar)
    probes = [None if p is None else plain(p)[0] for p in (x_probe, table_probe)]
    bars = [_asked(value, by) for value, by in zip(inputs, (by_x, by_table, by_bar))]
    native_of(x).grid_encode_second(*inputs, *probes, levels, BASES.index(basis), *bars)
    return _or_empty(bars[0], x), _or_empty(bars[1], table), _or_empty(bars[2], bar)


@_second.register_fake
def _(
    x: Tensor,
    table: Tensor,
    bar: Tensor,
    x_probe: Tensor | None,
    table_probe: Tensor | None,
    levels: list[int],
    basis: str,
    by_x: bool,
    by_table: bool,
    by_bar: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return _shaped(x, by_x), _shaped(table, by_table), _shaped(bar, by_bar)


def _width(x: Tensor, table: Tensor, levels: list[int]) -> int:
    return len(levels) // (4 + x.shape[0]) * table.shape[1]


def _asked(like: Tensor, by: bool) -> Tensor | None:
    return torch.empty_like(like) if by else None


def _or_empty(value: Tensor | None, like: Tensor) -> Tensor:
    return like.new_empty(0) if value is None else value


def _shaped(like: Tensor, by: bool) -> Tensor:
    return like.new_empty(like.shape if by else 0)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.levels, ctx.basis = inputs
    ctx.save_for_backward(*tensors)


def _vjp(ctx: Any, bar: Tensor) -> tuple[Any, ...]:
    needs = ctx.needs_input_grad[:2]
    bars = _backward(*ctx.saved_tensors, bar, ctx.levels, ctx.basis, *needs)
    return *(b if need else None for b, need in zip(bars, needs)), None, None


def _backward_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.levels, ctx.basis, by_x, by_table = inputs
    ctx.asked = by_x, by_table
    ctx.save_for_backward(*tensors)
    ctx.set_materialize_grads(False)


def _backward_vjp(ctx: Any, x_probe: Tensor | None, table_probe: Tensor | None) -> tuple[Any, ...]:
    needs = ctx.needs_input_grad[:3]
    probes = [p if asked else None for p, asked in zip((x_probe, table_probe), ctx.asked)]
    if all(p is None for p in probes) or not any(needs):
        return (None,) * 7
    bars = _second(*ctx.saved_tensors, *probes, ctx.levels, ctx.basis, *needs)
    return *(b if need else None for b, need in zip(bars, needs)), None, None, None, None


def _second_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.options = inputs[5:]
    ctx.save_for_backward(*inputs[:5])
    ctx.set_materialize_grads(False)


def _second_vjp(ctx: Any, *probes: Tensor | None) -> tuple[Any, ...]:
    """The third derivatives, and all higher ones, are those of the formula: rarely asked for, so not worth a kernel."""
    inputs, needs = ctx.saved_tensors, ctx.needs_input_grad[:5]
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # Views, so that one input's derivatives do not go on into another of which it was made.
        leaves: list[Any] = [
            None if v is None else v.view_as(v) if again else v.detach().requires_grad_(v.requires_grad) for v in inputs
        ]
        outputs = grid_formulas.second(*leaves, *ctx.options)
        pairs = [(o, p) for o, p in zip(outputs, probes) if p is not None and o.numel() and o.requires_grad]
        wanted = [leaf for leaf, need in zip(leaves, needs) if need]
        values, weights = [o for o, _ in pairs], [p for _, p in pairs]
        bars = iter(
            torch.autograd.grad(values, wanted, weights, create_graph=again, allow_unused=True) if pairs else ()
        )
    return *(next(bars, None) if need else None for need in needs), *[None] * 5


_encode.register_autograd(_vjp, setup_context=_setup)
_backward.register_autograd(_backward_vjp, setup_context=_backward_setup)
_second.register_autograd(_second_vjp, setup_context=_second_setup)


def grid_encode(x: Tensor, table: Tensor, layout: GridLayout) -> Tensor:
    """Features (N, L F) of points x (N, d) in the box [0, 1]^d, from a table (layout.table_rows, F).

    A level's features are sums of the rows of the sites around a point, weighted by the layout's basis; outside of the
    box the polynomials of the outermost cells go on. x and table are both float32 or both float64, on one device.
    Differentiable by both, as often as asked for: twice by kernels, beyond that by formulas. On the CPU the result
    does not depend on the number of threads; on a GPU gradients by the table differ in their last digits from run to
    run, unless torch.use_deterministic_algorithms asks for those of the formulas. The features come as the transpose of
    a contiguous (L F, N) tensor.
    Source: Mueller et al. 2022, section 3. Raises `InvalidInput` for other shapes, dtypes or devices.
    """
    check_tensor("x", x, ("N", layout.dimension), FLOATS)
    check_tensor("table", table, (layout.table_rows, "F"), x.dtype)
    if table.shape[1] < 1 or table.shape[1] * max(layout.rows) >= 1 << 31:
        raise InvalidInput(f"a level must have a feature, and below 2^31 values, got {table.shape[1]} features a row")
    if table.device != x.device:
        raise InvalidInput(f"table must be on {x.device} as the points are, got {table.device}")
    return _encode(x.T, table, list(layout.numbers), layout.basis).T
