"""The search for the pairs of a query and a kernel in whose support it lies, as a torch operator."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.lanes import LANES
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.errors import InvalidInput

MOST_PAIRS = 2**31 - 1  # 8 bytes each, on a GPU three times that while they are sorted
QUERIES_PER_CELL = 2  # on average, where they are spread evenly
BULK = 0.02  # the share of queries, at either end of an axis, that may lie beyond the grid


@dataclass(frozen=True)
class RadialPairs:
    """Pairs of N queries and M kernels, grouped both ways: offsets (int64) and ids (int32)."""

    by_query: tuple[Tensor, Tensor]  # (N + 1,), (P,): the kernels of each query, in the same order for all
    by_kernel: tuple[Tensor, Tensor]  # (M + 1,), (P,): the queries of each kernel, row by row of a grid
    order: Tensor  # (N,): the queries, those near each other after one another

    def __len__(self) -> int:
        return len(self.by_query[1])

    def __repr__(self) -> str:
        n, m = len(self.by_query[0]) - 1, len(self.by_kernel[0]) - 1
        return f"RadialPairs({n:,} queries, {m:,} kernels, {len(self):,} pairs)"

    def lists(self) -> list[Tensor]:
        """What the operators take: offsets and ids by query, offsets and ids by kernel, order."""
        return [*self.by_query, *self.by_kernel, self.order]

    def owners(self) -> tuple[Tensor, Tensor]:
        """The query and the kernel (P,), int64, of every pair by query."""
        offsets, ids = self.by_query
        return torch.arange(len(offsets) - 1, device=ids.device).repeat_interleave(offsets.diff()), ids.long()


Grid = tuple[list[float], list[float], list[int]]  # by axes: the low corner, the size of cells and their number


def query_grid(x: Tensor) -> Grid:
    """A grid over most of points x (N, d)."""
    sample = x[:: max(len(x) // 4096, 1)].double().sort(0).values
    first = int(BULK * len(sample))
    ends = sample[[first, -1 - first]].tolist() if len(sample) else [[0.0] * x.shape[1]] * 2
    margins = [2 * BULK * (high - low) for low, high in zip(*ends)]
    corner = [low - margin for low, margin in zip(ends[0], margins)]
    spans = [high + margin - low for low, high, margin in zip(corner, ends[1], margins)]
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
    return corner, sizes, cells


def _neighbours_in_turn(centres: Tensor, grid: Grid) -> Tensor:
    """An order (M,) of kernels in which those near each other follow each other: what one touches, the next finds."""
    low, size, cells = (torch.tensor(numbers, dtype=torch.float64) for numbers in grid)
    place = ((centres - low) / size).clamp(min=torch.zeros_like(low), max=cells - 1).long()
    place[:, 1:] //= 8
    key = place[:, -1]
    for k in reversed(range(place.shape[1] - 1)):
        key = key * grid[2][k] + place[:, k]
    return key.argsort(stable=True).int()


def _pairs_on_gpu(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool, most: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    x, centres, factors = plain(x, centres, factors)
    native, grid = native_of(x), query_grid(x)
    places = x.new_empty(len(x), dtype=torch.int32)
    native.query_cells(x, *grid, places)
    places, order = places.sort(stable=True)
    starts, order = _starts(places, math.prod(grid[2])), order.int()
    ordered = x.new_zeros(x.shape[1], len(x) + LANES)
    ordered[:, : len(x)] = x[order].T
    tasks = x.new_empty(len(centres), dtype=torch.int64)
    native.kernel_tasks(*grid, centres, factors, support, hat, tasks)
    first = _sums_before(tasks)
    found = x.new_empty(int(first[-1]), dtype=torch.int64)
    arguments = (*grid, starts, order, ordered, centres, factors, support, hat, first)
    native.kernel_pairs(*arguments, found, None, None)
    before = _sums_before(found)
    total = _checked(int(before[-1]), x, centres, most)
    ids, owners, queries, kernels = (x.new_empty(total, dtype=torch.int32) for _ in range(4))
    native.kernel_pairs(*arguments, before[:-1], ids, owners)
    if total:
        room = x.new_empty(native.sort_room(total, len(x)), dtype=torch.uint8)
        native.sort_pairs(len(x), ids, owners, queries, kernels, room)
    return _starts(queries, len(x)), kernels, before[first], ids, order


def _starts(ascending: Tensor, count: int) -> Tensor:
    """Where each of the numbers 0 to `count` begins (count + 1,) among ascending ones (P,), int32."""
    return torch.searchsorted(ascending, torch.arange(count + 1, dtype=torch.int32, device=ascending.device))


def _sums_before(counts: Tensor) -> Tensor:
    """The sums (N + 1,) of the counts (N,) before each, and of all."""
    return pad(counts.cumsum(0), (1, 0))


def _checked(total: int, x: Tensor, centres: Tensor, most: int) -> int:
    if total > most:
        raise InvalidInput(
            f"{len(x):,} points lie in the supports of {len(centres):,} kernels {total:,} times, more than {most:,}: "
            "use narrower kernels, or fewer points a call"
        )
    return total


@custom_op("geokit::radial_pairs", cuda=_pairs_on_gpu)
def _pairs(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool, most: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    x, centres, factors = plain(x, centres, factors)
    grid = query_grid(x)
    starts = torch.empty(math.prod(grid[2]) + 1, dtype=torch.int64)
    order = torch.empty(len(x), dtype=torch.int32)
    queries = (*grid, starts, order, x.new_empty(x.shape[1], len(x) + LANES))
    _native.sort_queries(x, *queries)
    by_kernel = torch.zeros(len(centres) + 1, dtype=torch.int64)
    visit = _neighbours_in_turn(centres, grid)
    arguments = (*queries, centres, factors, support, hat, visit)
    _native.kernel_pairs(*arguments, by_kernel, None)
    total = _checked(int(by_kernel.cumsum_(0)[-1]), x, centres, most)
    ids, kernels = (torch.empty(total, dtype=torch.int32) for _ in range(2))
    _native.kernel_pairs(*arguments, by_kernel, ids)
    by_query = torch.empty(len(x) + 1, dtype=torch.int64)
    _native.transpose_pairs(visit, by_kernel, ids, by_query, kernels)
    return by_query, kernels, by_kernel, ids, order


@_pairs.register_fake
def _(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool, most: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    total = torch.library.get_ctx().new_dynamic_size()
    by_query, by_kernel = (x.new_empty(len(t) + 1, dtype=torch.int64) for t in (x, centres))
    kernels, ids, order = (x.new_empty(count, dtype=torch.int32) for count in (total, total, len(x)))
    return by_query, kernels, by_kernel, ids, order


def radial_pairs(
    x: Tensor, centres: Tensor, factors: Tensor, support: float, hat: bool = False, most: int = MOST_PAIRS
) -> RadialPairs:
    """Every pair of a query and a kernel whose support it lies in: |A (x - c)| < support, by query and by kernel.

    x (N, d) and centres (M, d), d = 1, 2 or 3, are all float32 or all float64; factors (M, d (d + 1) / 2) hold the
    lower triangles of A by rows. The test is made in that dtype for every pair that can pass it; sizes of kernels may
    differ by any factor. With `hat` the support is the box |A (x - c)|_k < 1 of every axis k. Linear time where points
    are spread evenly, in clusters or with outliers. On a GPU the
    kernels of a query come in another order.
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
    *found, order = _pairs(x.detach(), centres.detach(), factors.detach(), support, hat, most)
    return RadialPairs((found[0], found[1]), (found[2], found[3]), order)
