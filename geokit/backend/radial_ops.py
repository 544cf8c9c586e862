"""Sums of radial kernels over pairs of a query and a kernel, and the search for those pairs, as torch operators.

A kernel is a row of `shapes`: its centre (d), its factor A by rows of the lower triangle (d (d + 1) / 2) and, with waves,
its wave vector in cycles per unit (d) and its phase in radians. What the fields make of it is in `geokit.fields.kernels`.
Operators take pairs as four tensors: offsets and ids by query, offsets and ids by kernel.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, custom_op, plain
from geokit.backend.radial_formula import PROFILES, sum_by_formula
from geokit.errors import InvalidInput

MOST_PAIRS = 2**31 - 1  # 8 bytes each
QUERIES_PER_CELL = 2  # on average, where they are spread evenly
BULK = 0.02  # the share of queries, at either end of an axis, that may lie beyond the grid


@dataclass(frozen=True)
class RadialPairs:
    """Pairs of N queries and M kernels, grouped both ways: offsets (int64) and ids (int32)."""

    by_query: tuple[Tensor, Tensor]  # (N + 1,), (P,): the kernels of each query, ascending
    by_kernel: tuple[Tensor, Tensor]  # (M + 1,), (P,): the queries of each kernel, row by row of a grid

    def __len__(self) -> int:
        return len(self.by_query[1])

    def __repr__(self) -> str:
        n, m = len(self.by_query[0]) - 1, len(self.by_kernel[0]) - 1
        return f"RadialPairs({n:,} queries, {m:,} kernels, {len(self):,} pairs)"

    def owners(self) -> tuple[Tensor, Tensor]:
        """The query and the kernel (P,), int64, of every pair by query."""
        offsets, ids = self.by_query
        return torch.arange(len(offsets) - 1, device=ids.device).repeat_interleave(offsets.diff()), ids.long()


# --------------------------------------------------------------------------------------------------------------- pairs


def query_grid(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The low corner (d,), cell sizes (d,), float64, and cells (d,), int32, of a grid over most of points x (N, d)."""
    sample = x[:: max(len(x) // 4096, 1)].double().sort(0).values
    first = int(BULK * len(sample))
    low, high = (sample[first], sample[-1 - first]) if len(sample) else (sample.new_zeros(x.shape[1]),) * 2
    margin = 2 * BULK * (high - low)
    low, high = low - margin, high + margin
    spans = (high - low).tolist()
    wanted = max(len(x) / QUERIES_PER_CELL, 1.0)
    open_axes = [k for k, span in enumerate(spans) if span > 0]
    size = 1.0
    while open_axes:  # an axis that is shorter than a cell has one, and the others share the cells
        size = math.exp((sum(math.log(spans[k]) for k in open_axes) - math.log(wanted)) / len(open_axes))
        longer = [k for k in open_axes if spans[k] > size]
        if longer == open_axes:
            break
        open_axes = longer
    cells = [math.ceil(span / size) if k in open_axes else 1 for k, span in enumerate(spans)]
    sizes = [span / count if span > 0 else 1.0 for span, count in zip(spans, cells)]
    return low, low.new_tensor(sizes), torch.tensor(cells, dtype=torch.int32)


@custom_op("geokit::radial_pairs")
def _pairs(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool, most: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, centres, factors = plain(x, centres, factors)
    low, size, cells = query_grid(x)
    starts = torch.empty(int(cells.long().prod()) + 1, dtype=torch.int64)
    order = torch.empty(len(x), dtype=torch.int32)
    grid = (low, size, cells, starts, order, x.new_empty(x.shape[1], len(x)))
    _native.sort_queries(x, *grid)
    by_kernel = torch.zeros(len(centres) + 1, dtype=torch.int64)
    arguments = (*grid, centres, factors, support, hat)
    _native.kernel_pairs(*arguments, by_kernel, None)
    total = int(by_kernel.cumsum_(0)[-1])
    if total > most:
        raise InvalidInput(
            f"{len(x):,} points lie in the supports of {len(centres):,} kernels {total:,} times, more than {most:,}: "
            "use narrower kernels, or fewer points a call"
        )
    ids, kernels = (torch.empty(total, dtype=torch.int32) for _ in range(2))
    _native.kernel_pairs(*arguments, by_kernel, ids)
    by_query = torch.empty(len(x) + 1, dtype=torch.int64)
    _native.transpose_pairs(by_kernel, ids, by_query, kernels)
    return by_query, kernels, by_kernel, ids


@_pairs.register_fake
def _(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool, most: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    total = torch.library.get_ctx().new_dynamic_size()
    offsets = (x.new_empty(len(t) + 1, dtype=torch.int64) for t in (x, centres))
    by_query, by_kernel = offsets
    return by_query, x.new_empty(total, dtype=torch.int32), by_kernel, x.new_empty(total, dtype=torch.int32)


def radial_pairs(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool = False, most: int = MOST_PAIRS
) -> RadialPairs:
    """Every pair of a query and a kernel whose support it lies in: |A (x - c)| < support, by query and by kernel.

    x (N, d) and centres (M, d), d = 1, 2 or 3, are all float32 or all float64; factors (M, d (d + 1) / 2) hold the
    lower triangles of A by rows. The test is made in that dtype for every pair that can pass it; sizes of kernels may
    differ by any factor. With `hat` the support is the box |A (x - c)|_k < 1 of every axis k. Linear time where points
    are spread evenly, in clusters or with outliers. Tensors on other devices are answered by the CPU.
    Raises `InvalidInput` for other shapes and dtypes, values that are not finite, diagonals that are not positive, and,
    before allocating, more than `most` pairs.
    """
    check_tensor("x", x, ("N", "d"), FLOATS, finite=True)
    d = x.shape[1]
    if d not in (1, 2, 3):
        raise InvalidInput(f"x must have 1, 2 or 3 coordinates, got {d}")
    check_tensor("centres", centres, ("M", d), x.dtype, finite=True)
    check_tensor("factors", factors, (len(centres), d * (d + 1) // 2), x.dtype, finite=True)
    if not 0 < support < math.inf:
        raise InvalidInput(f"support must be positive and finite, got {support}")
    if max(len(x), len(centres)) > MOST_PAIRS:
        raise InvalidInput(f"points and kernels must be fewer than 2^31, got {len(x):,} and {len(centres):,}")
    if not bool((factors[:, [k * (k + 3) // 2 for k in range(d)]] > 0).all()):
        raise InvalidInput("factors must have positive diagonals: a kernel without width or one turned over has none")
    found = _pairs(*(t.detach().cpu() for t in (x, centres, factors)), support, hat, most)
    found = tuple(t.to(x.device) for t in found)
    return RadialPairs(found[:2], found[2:])


# ---------------------------------------------------------------------------------------------------------------- sums


def _table(shapes: Tensor, features: Tensor) -> Tensor:
    return torch.cat([shapes.detach(), features.detach()], 1).contiguous()


def _parts(order: int, d: int) -> int:
    return (1, 1 + d, 2 + d)[order]


def _options(x: Tensor, frequencies: Tensor, order: int, profile: int, waves: bool, support: float) -> tuple[Any, ...]:
    f = plain(frequencies)[0] if frequencies.numel() else None
    return f, x.shape[1], order, profile, waves, support


@custom_op("geokit::radial_sum")
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
    options = _options(x, frequencies, order, profile, waves, support)
    _native.radial_sum(*plain(x), _table(shapes, features), *options, *plain(*pairs[:2]), out)
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


@custom_op("geokit::radial_queries_backward")
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
    options = _options(x, frequencies, order, profile, waves, support)
    _native.radial_queries_backward(x, _table(shapes, features), *options, *plain(*pairs[:2]), out_bar, x_bar)
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


@custom_op("geokit::radial_kernels_backward")
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
    rows = torch.cat([x.detach(), out_bar.detach()], 1).contiguous()
    width = shapes.shape[1] if by_shapes else 0
    bars = x.new_empty(len(shapes), width + features.shape[1])
    options = _options(x, frequencies, order, profile, waves, support)
    _native.radial_kernels_backward(rows, _table(shapes, features), *options, *plain(*pairs[2:]), by_shapes, bars)
    return bars[:, :width].clone(), bars[:, width:].contiguous() if not by_shapes else bars[:, width:].clone()


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
    *tensors, by_query, kernels, by_kernel, queries = ctx.saved_tensors
    pairs, options = [by_query, kernels, by_kernel, queries], ctx.options
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
    return x_bar, shapes_bar if by_shapes else None, features_bar, None, [None] * 4, None, None, None, None


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
    Differentiable by x, shapes and features; twice by x for order 0. On the CPU the result does not depend on the
    number of threads; other devices take a formula in plain torch. Pairs that are not in the support add nothing, those
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
    if x.device.type != "cpu":
        return sum_by_formula(x, shapes, features, pairs.owners(), profile, support, order, frequencies, waves)
    sines = x.new_empty(0) if frequencies is None else frequencies
    lists = [*pairs.by_query, *pairs.by_kernel]
    out = _sum(x, shapes, features, sines, lists, order, PROFILES.index(profile), waves, support)
    return out.view(len(x), -1, features.shape[1])
