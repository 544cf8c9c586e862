"""Searches among points as torch operators: a tree, its nearest and its near points.

Arguments are checked by the public functions of `geokit.geometry.neighbors`.
"""

import math
from typing import Any

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, plain
from geokit.errors import InvalidInput

TREE_WIDTH = 16  # points of a leaf, children of a node (kTreeWidth)
MOST_POINTS = 2**31 - 1  # that 32-bit indices can count

# ------------------------------------------------------------------------------------------------------------ the tree


@custom_op("geokit::point_tree")
def _point_tree(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    outputs = _tree_outputs(points, *_native.tree_sizes(len(points)))
    _native.tree_build(*plain(points), *outputs)
    return outputs


def _tree_outputs(points: Tensor, leaves: Any, nodes: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    def integers(*shape: Any) -> Tensor:
        return points.new_empty(shape, dtype=torch.int32)

    leaf_points, boxes = points.new_empty(leaves, 3, TREE_WIDTH), points.new_empty(nodes, 6, TREE_WIDTH)
    return leaf_points, integers(leaves, TREE_WIDTH), boxes, integers(nodes, TREE_WIDTH), integers(nodes, 2)


@_point_tree.register_fake
def _(points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    context = torch.library.get_ctx()
    return _tree_outputs(points, context.new_dynamic_size(), context.new_dynamic_size())


def point_tree(points: Tensor) -> tuple[Tensor, ...]:
    """The flat arrays of a k-d tree over points (N, 3): leaf points, leaf ids, boxes, first ids, children (tree.h)."""
    return _point_tree(points.detach())


# ---------------------------------------------------------------------------------------------------- nearest points


@custom_op("geokit::nearest_neighbors")
def _nearest(
    points: Tensor, queries: Tensor, tree: list[Tensor], groups: list[Tensor], k: int, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    distances = queries.new_empty(len(queries), k)
    indices = queries.new_empty(len(queries), k, dtype=torch.int64)
    _native.nearest(len(points), *tree, len(queries), *groups, exclude_self, k, distances, indices)
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
    owners = torch.arange(len(queries)).repeat_interleave(indices.shape[1])
    bars = _distance_backward(points, queries, owners, indices.flatten(), distances.flatten(), distances_bar.flatten())
    return *bars, [None] * 5, [None] * 2, None, None


def _distance_backward(
    points: Tensor, queries: Tensor, owners: Tensor, indices: Tensor, distances: Tensor, bar: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of distances |queries[owners] - points[indices]|; zero where the distance is zero."""
    direction = (queries[owners] - points[indices]) / torch.where(distances > 0, distances, 1)[:, None]
    pull = direction * bar[:, None]
    zeros = torch.zeros_like
    return zeros(points).index_add(0, indices, -pull), zeros(queries).index_add(0, owners, pull)


_nearest.register_autograd(_nearest_backward, setup_context=_setup_nearest)


def nearest(
    points: Tensor, queries: Tensor, tree: tuple[Tensor, ...], groups: tuple[Tensor, ...], k: int, exclude_self: bool
) -> tuple[Tensor, Tensor]:
    """Distances (Q, k), ascending, and indices (Q, k) of the k points nearest to each query."""
    return _nearest(points, queries, list(tree), list(groups), k, exclude_self)


# ------------------------------------------------------------------------------------------- points within a radius


@custom_op("geokit::radius_neighbors")
def _within(
    points: Tensor,
    queries: Tensor,
    tree: list[Tensor],
    groups: list[Tensor],
    radius: float,
    exclude_self: bool,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    offsets = queries.new_zeros(len(queries) + 1, dtype=torch.int64)
    # The square of the radius as the kernel would compute it, in the dtype of the points.
    radius2 = float(queries.new_tensor(radius).square())
    arguments = (len(points), *tree, len(queries), *groups, exclude_self, radius2)
    _native.radius_count(*arguments, offsets[1:])
    total = int(offsets.cumsum_(0)[-1])
    if total > most:
        raise InvalidInput(
            f"radius {radius:g} gives {total:,} neighbours in all, more than {most:,}: "
            "use a smaller radius, or fewer queries a call"
        )
    indices, distances = offsets.new_empty(total), queries.new_empty(total)
    _native.radius_fill(*arguments, offsets, indices, distances)
    return offsets, indices, distances


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
    owners = torch.arange(len(queries)).repeat_interleave(offsets.diff())
    bars = _distance_backward(points, queries, owners, indices, distances, distances_bar)
    return *bars, [None] * 5, [None] * 2, None, None, None


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


@custom_op("geokit::farthest_points")
def _farthest(points: Tensor, tree: list[Tensor], count: int, start: int) -> Tensor:
    chosen = points.new_empty(count, dtype=torch.int64)
    _native.farthest(*plain(points), *tree, start, chosen)
    return chosen


@_farthest.register_fake
def _(points: Tensor, tree: list[Tensor], count: int, start: int) -> Tensor:
    return points.new_empty(count, dtype=torch.int64)


def farthest(points: Tensor, tree: tuple[Tensor, ...], count: int, start: int) -> Tensor:
    """Indices (count,) of points, each the farthest from those before it."""
    return _farthest(points.detach(), list(tree), count, start)


# ------------------------------------------------------------------------------------------------------------- voxels


@custom_op("geokit::voxel_groups")
def _voxel_groups(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    points = plain(points)[0]
    bounds = points.new_empty(2, 3, dtype=torch.float64)
    _native.voxel_bounds(points, size, bounds)
    sizes = [int(cells) + 1 for cells in (bounds[1] - bounds[0]).tolist()]
    if float(bounds.abs().amax()) >= 2**53 or math.prod(sizes) >= 2**63:
        shown = " x ".join(f"{cells:.3g}" for cells in sizes)
        raise InvalidInput(
            f"size {size:g} is too small for points that span {shown} cells, of which 2^63 can be numbered: "
            "use a larger size, or remove outliers"
        )
    groups, first = (points.new_empty(len(points), dtype=torch.int64) for _ in range(2))
    count = _native.voxel_groups(points, size, bounds, groups, first)
    return groups, first[:count].clone()


@_voxel_groups.register_fake
def _(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    return points.new_empty(len(points), dtype=torch.int64), points.new_empty(count, dtype=torch.int64)


def voxel_groups(points: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """The number (N,) of each point's cell, floor(points / size), and the lowest index (M,) of a point in each cell.

    Occupied cells are numbered in ascending order of (i, j, k). Raises `InvalidInput` if they cannot be numbered.
    """
    return _voxel_groups(points.detach(), size)
