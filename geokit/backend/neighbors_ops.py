"""Searches among points as torch operators: a tree, its nearest and its near points.

Arguments are checked by the public functions of `geokit.geometry.neighbors`.
"""

import math
from typing import Any

import torch
from torch import Tensor

from geokit.backend.native import custom_op, native_of, plain
from geokit.errors import InvalidInput

TREE_WIDTH = {"cpu": 16, "cuda": 32}  # points of a leaf, children of a node (kTreeWidth)
MOST_POINTS = 2**31 - 1  # that 32-bit indices can count
_SORTED_IN_PLACE = 32  # neighbours of a list within a radius (kSortedInPlace)
_FARTHEST_BLOCKS = 512  # kFarthestBlocks

# ------------------------------------------------------------------------------------------------------------ the tree


def _build_on_the_gpu(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    native, (points,) = native_of(points), plain(points)
    outputs = _tree_outputs(points, *native.tree_sizes(len(points)))
    size = getattr(native, "tree_scratch_" + str(points.dtype).removeprefix("torch."))
    native.tree_build(points, points.new_empty(size(len(points)), dtype=torch.uint8), *outputs)
    return outputs


@custom_op("geokit::point_tree", cuda=_build_on_the_gpu)
def _point_tree(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    native = native_of(points)
    outputs = _tree_outputs(points, *native.tree_sizes(len(points)))
    native.tree_build(*plain(points), *outputs)
    return outputs


def _tree_outputs(points: Tensor, leaves: Any, nodes: Any, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    def integers(*shape: Any) -> Tensor:
        return points.new_empty(shape, dtype=torch.int32)

    leaf_points, boxes = points.new_empty(leaves, 3, width), points.new_empty(nodes, 6, width)
    return leaf_points, integers(leaves, width), boxes, integers(nodes, width), integers(nodes, 2)


@_point_tree.register_fake
def _(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    context = torch.library.get_ctx()
    leaves, nodes = context.new_dynamic_size(), context.new_dynamic_size()
    return _tree_outputs(points, leaves, nodes, TREE_WIDTH.get(points.device.type, 16))


def point_tree(points: Tensor) -> tuple[Tensor, ...]:
    """The flat arrays of a tree over points (N, 3): leaf points, leaf ids, boxes, first ids, children (tree.h).

    They are for searches on the device of the points alone.
    """
    return _point_tree(points.detach())


# ---------------------------------------------------------------------------------------------------- nearest points


@custom_op("geokit::nearest_neighbors", cuda=True)
def _nearest(
    points: Tensor, queries: Tensor, tree: list[Tensor], groups: list[Tensor], k: int, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    distances = queries.new_empty(len(queries), k)
    indices = queries.new_empty(len(queries), k, dtype=torch.int64)
    native_of(queries).nearest(len(points), *tree, len(queries), *groups, exclude_self, k, distances, indices)
    return distances, indices


@_nearest.register_fake
def _(
    points: Tensor, queries: Tensor, tree: list[Tensor], groups: list[Tensor], k: int, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    return queries.new_empty(len(queries), k), queries.new_empty(len(queries), k, dtype=torch.int64)


def _setup_nearest(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[0], inputs[1], *output)


def _nearest_backward(ctx: Any, distances_bar: Tensor, _: Tensor) -> tuple[Any, ...]:
    points, queries, distances, indices = ctx.saved_tensors
    found = points.index_select(0, indices.flatten()).reshape(*indices.shape, 3)
    pull = _pull(queries.unsqueeze(1) - found, distances, distances_bar)
    points_bar = torch.zeros_like(points).index_add(0, indices.flatten(), -pull.flatten(0, 1))
    return points_bar, pull.sum(1), [None] * 5, [None] * 2, None, None


def _pull(differences: Tensor, distances: Tensor, bar: Tensor) -> Tensor:
    """Gradients of distances |differences|, which are given; zero where the distance is zero."""
    return differences / torch.where(distances > 0, distances, 1).unsqueeze(-1) * bar.unsqueeze(-1)


_nearest.register_autograd(_nearest_backward, setup_context=_setup_nearest)


def nearest(
    points: Tensor, queries: Tensor, tree: tuple[Tensor, ...], groups: tuple[Tensor, ...], k: int, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    """Distances (Q, k), ascending, and indices (Q, k) of the k points nearest to each query."""
    return _nearest(points, queries, list(tree), list(groups), k, exclude_self)


# ------------------------------------------------------------------------------------------- points within a radius


def _within_on_the_gpu(
    points: Tensor,
    queries: Tensor,
    tree: list[Tensor],
    groups: list[Tensor],
    radius: float,
    exclude_self: bool,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    native = native_of(queries)
    arguments = (len(points), *tree, len(queries), *groups, exclude_self, _squared(radius, queries.dtype))
    offsets = queries.new_zeros(len(queries) + 1, dtype=torch.int64)
    if not len(queries):
        return offsets, offsets.new_empty(0), queries.new_empty(0)
    counts = offsets.new_empty(len(queries))
    native.radius_count(*arguments, counts)
    torch.cumsum(counts, 0, out=offsets[1:])
    total, longest = torch.stack((offsets[-1], counts.amax())).tolist()
    _check_total(total, most, radius)
    indices, distances = offsets.new_empty(total), queries.new_empty(total)
    native.radius_fill(*arguments, offsets, indices, distances)
    spare = total if longest > _SORTED_IN_PLACE else 0
    native.radius_sort(offsets, longest, indices, distances, indices.new_empty(spare), distances.new_empty(spare))
    return offsets, indices, distances


@custom_op("geokit::radius_neighbors", cuda=_within_on_the_gpu)
def _within(
    points: Tensor,
    queries: Tensor,
    tree: list[Tensor],
    groups: list[Tensor],
    radius: float,
    exclude_self: bool,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    native = native_of(queries)
    offsets = queries.new_zeros(len(queries) + 1, dtype=torch.int64)
    arguments = (len(points), *tree, len(queries), *groups, exclude_self, _squared(radius, queries.dtype))
    native.radius_count(*arguments, offsets[1:])
    total = int(offsets.cumsum_(0)[-1])
    _check_total(total, most, radius)
    indices, distances = offsets.new_empty(total), queries.new_empty(total)
    native.radius_fill(*arguments, offsets, indices, distances)
    return offsets, indices, distances


def _squared(radius: float, dtype: torch.dtype) -> float:
    """The square as a kernel would compute it, in the dtype of the points; finite, as every squared distance is."""
    return min(float(torch.tensor(radius, dtype=dtype).square()), torch.finfo(dtype).max)


def _check_total(total: int, most: int, radius: float) -> None:
    if total > most:
        raise InvalidInput(
            f"radius {radius:g} gives {total:,} neighbours in all, more than {most:,}: "
            "use a smaller radius, or fewer queries a call"
        )


@_within.register_fake
def _(
    points: Tensor,
    queries: Tensor,
    tree: list[Tensor],
    groups: list[Tensor],
    radius: float,
    exclude_self: bool,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    total = torch.library.get_ctx().new_dynamic_size()
    offsets = queries.new_empty(len(queries) + 1, dtype=torch.int64)
    return offsets, queries.new_empty(total, dtype=torch.int64), queries.new_empty(total)


def _setup_within(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(*output[:2])
    ctx.save_for_backward(inputs[0], inputs[1], *output)


def _within_backward(ctx: Any, _offsets: Tensor, _indices: Tensor, distances_bar: Tensor) -> tuple[Any, ...]:
    points, queries, offsets, indices, distances = ctx.saved_tensors
    owners = torch.arange(len(queries), device=queries.device)
    owners = owners.repeat_interleave(offsets.diff(), output_size=indices.shape[0])
    pull = _pull(queries.index_select(0, owners) - points.index_select(0, indices), distances, distances_bar)
    points_bar = torch.zeros_like(points).index_add(0, indices, -pull)
    return points_bar, torch.zeros_like(queries).index_add(0, owners, pull), [None] * 5, [None] * 2, None, None, None


_within.register_autograd(_within_backward, setup_context=_setup_within)


def within(
    points: Tensor,
    queries: Tensor,
    tree: tuple[Tensor, ...],
    groups: tuple[Tensor, ...],
    radius: float,
    exclude_self: bool,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets (Q + 1), indices (E) and distances (E) of the points within a radius of each query.

    Raises `InvalidInput`, before anything large is allocated, if there are more than `most`.
    """
    return _within(points, queries, list(tree), list(groups), radius, exclude_self, most)


# ------------------------------------------------------------------------------------------------------- far points


def _farthest_on_the_gpu(points: Tensor, tree: list[Tensor], count: int, start: int) -> Tensor:
    chosen, leaves = points.new_empty(count, dtype=torch.int64), len(tree[0])
    values = points.new_empty(33 * leaves + 2 * _FARTHEST_BLOCKS)
    ids = tree[1].new_empty(leaves + 2 * _FARTHEST_BLOCKS)
    native_of(points).farthest(*plain(points), *tree, values, ids, start, chosen)
    return chosen


@custom_op("geokit::farthest_points", cuda=_farthest_on_the_gpu)
def _farthest(points: Tensor, tree: list[Tensor], count: int, start: int) -> Tensor:
    chosen = points.new_empty(count, dtype=torch.int64)
    native_of(points).farthest(*plain(points), *tree, start, chosen)
    return chosen


@_farthest.register_fake
def _(points: Tensor, tree: list[Tensor], count: int, start: int) -> Tensor:
    return points.new_empty(count, dtype=torch.int64)


def farthest(points: Tensor, tree: tuple[Tensor, ...], count: int, start: int) -> Tensor:
    """Indices (count,) of points, each the farthest from those before it."""
    return _farthest(points.detach(), list(tree), count, start)


# ------------------------------------------------------------------------------------------------------------- voxels


def _voxel_groups_on_the_gpu(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    cells = (points.double() / size).floor_()
    low, high = cells.aminmax(dim=0)
    sizes = _grid_sizes(torch.stack((low, high)), size)
    x, y, z = (cells - low).long().unbind(1)
    keys, order = ((x * sizes[1] + y) * sizes[2] + z).sort(stable=True)
    begins = torch.ones_like(keys, dtype=torch.bool)
    torch.ne(keys[1:], keys[:-1], out=begins[1:])
    return torch.empty_like(order).scatter_(0, order, begins.cumsum(0) - 1), order[begins]


@custom_op("geokit::voxel_groups", cuda=_voxel_groups_on_the_gpu)
def _voxel_groups(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    native, (points,) = native_of(points), plain(points)
    bounds = points.new_empty(2, 3, dtype=torch.float64)
    native.voxel_bounds(points, size, bounds)
    _grid_sizes(bounds, size)
    groups, first = (points.new_empty(len(points), dtype=torch.int64) for _ in range(2))
    count = native.voxel_groups(points, size, bounds, groups, first)
    return groups, first[:count].clone()


def _grid_sizes(bounds: Tensor, size: float) -> list[int]:
    """Cells along x, y, z from the first to the last, the rows of `bounds`; raises if they cannot be numbered."""
    low, high = bounds.tolist()
    sizes = [int(last - first) + 1 for first, last in zip(low, high)]
    if max(map(abs, (*low, *high))) >= 2**53 or math.prod(sizes) >= 2**63:
        shown = " x ".join(f"{cells:.3g}" for cells in sizes)
        raise InvalidInput(
            f"size {size:g} is too small for points that span {shown} cells, of which 2^63 can be numbered: "
            "use a larger size, or remove outliers"
        )
    return sizes


@_voxel_groups.register_fake
def _(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    return points.new_empty(len(points), dtype=torch.int64), points.new_empty(count, dtype=torch.int64)


def voxel_groups(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """The number (N,) of each point's cell, floor(points / size), and the lowest index (M,) of a point in each cell.

    Occupied cells are numbered in ascending order of (i, j, k). Raises `InvalidInput` if they cannot be numbered.
    """
    return _voxel_groups(points.detach(), size)
