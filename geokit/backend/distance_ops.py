"""A bounding volume hierarchy over triangles: closest points, winding numbers, rays.

The layout of the tree's tensors is the contract of cuda_ext/mesh/bvh.h. Shapes are checked in
`geokit.geometry.distance`. Trees and moments are made on the CPU, also those of tensors on a GPU; queries are answered
where they are.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend import ordered_sums
from geokit.backend.native import _native, custom_op, native_of, plain

WIDTH, BOX_ROWS, TRIANGLE_ROWS, MOMENT_ROWS = 8, 6, 22, 23


@custom_op("geokit::bvh_build")
def build(vertices: Tensor, faces: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The tree over vertices (V, 3), times `scale`, and at least one face (F, 3).

    Boxes (N, 6, 8), children (N, 8), triangles (B, 22, 8), face_ids (B, 8). Without a gradient: it says where to look.
    """
    vertices, faces = plain(vertices, faces)
    count = len(faces)
    scratch_boxes, scratch_links = vertices.new_empty(2 * count, 6), _ids(vertices, 2 * count, 2)
    order = _ids(vertices, count)
    nodes, blocks = _native.bvh_plan(vertices, faces, scale, scratch_boxes, scratch_links, order)
    tree = (
        vertices.new_empty(nodes, BOX_ROWS, WIDTH),
        _ids(vertices, nodes, WIDTH),
        vertices.new_empty(blocks, TRIANGLE_ROWS, WIDTH),
        _ids(vertices, blocks, WIDTH),
    )
    _native.bvh_fill(vertices, faces, scale, scratch_boxes, scratch_links, order, *tree)
    return tree


@build.register_fake
def _(vertices: Tensor, faces: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    nodes, blocks = torch.library.get_ctx().new_dynamic_size(), torch.library.get_ctx().new_dynamic_size()
    return (
        vertices.new_empty(nodes, BOX_ROWS, WIDTH),
        _ids(vertices, nodes, WIDTH),
        vertices.new_empty(blocks, TRIANGLE_ROWS, WIDTH),
        _ids(vertices, blocks, WIDTH),
    )


def _ids(like: Tensor, *shape: int | torch.SymInt) -> Tensor:
    return like.new_empty(shape, dtype=torch.int32)


@custom_op("geokit::bvh_moments")
def moments(boxes: Tensor, children: Tensor, triangles: Tensor, face_ids: Tensor) -> Tensor:
    """(N, 23, 8) moments of the area vectors under every child, for `winding_number`."""
    boxes, children, triangles, face_ids = plain(boxes, children, triangles, face_ids)
    result = boxes.new_empty(len(boxes), MOMENT_ROWS, WIDTH)
    _native.bvh_moments(boxes, children, triangles, face_ids, result)
    return result


@moments.register_fake
def _(boxes: Tensor, children: Tensor, triangles: Tensor, face_ids: Tensor) -> Tensor:
    return boxes.new_empty(boxes.shape[0], MOMENT_ROWS, WIDTH)


def _order_on_gpu(
    queries: Tensor, boxes: Tensor, children: Tensor, triangles: Tensor, face_ids: Tensor, scale: float
) -> Tensor:
    queries, *tree = plain(queries, boxes, children, triangles, face_ids)
    codes = _ids(queries, queries.shape[0])
    native_of(queries).bvh_codes(queries, *tree, scale, codes)
    return codes.argsort(stable=True).int()


@custom_op("geokit::query_order", cuda=_order_on_gpu)
def query_order(
    queries: Tensor, boxes: Tensor, children: Tensor, triangles: Tensor, face_ids: Tensor, scale: float
) -> Tensor:
    """(Q,) int32: an order of the queries in which neighbours are neighbours in space."""
    queries, *tree = plain(queries, boxes, children, triangles, face_ids)
    order = _ids(queries, len(queries))
    _native.bvh_order(queries, *tree, scale, order)
    return order


@query_order.register_fake
def _(queries: Tensor, boxes: Tensor, children: Tensor, triangles: Tensor, face_ids: Tensor, scale: float) -> Tensor:
    return _ids(queries, queries.shape[0])


@custom_op("geokit::winding_number", cuda=True)
def winding_number(
    queries: Tensor,
    boxes: Tensor,
    children: Tensor,
    triangles: Tensor,
    face_ids: Tensor,
    moments: Tensor,
    scale: float,
    beta: float,
) -> Tensor:
    """(Q,) generalised winding numbers of queries (Q, 3). Without a gradient."""
    queries, *tree = plain(queries, boxes, children, triangles, face_ids)
    winding, order = queries.new_empty(len(queries)), query_order(queries, *tree, scale)
    native_of(queries).bvh_winding(queries, *tree, *plain(moments), scale, beta, order, winding)
    return winding


@winding_number.register_fake
def _(
    queries: Tensor,
    boxes: Tensor,
    children: Tensor,
    triangles: Tensor,
    face_ids: Tensor,
    moments: Tensor,
    scale: float,
    beta: float,
) -> Tensor:
    return queries.new_empty(queries.shape[0])


@custom_op("geokit::closest_points", cuda=True)
def closest_points(
    queries: Tensor,
    vertices: Tensor,
    faces: Tensor,
    boxes: Tensor,
    children: Tensor,
    triangles: Tensor,
    face_ids: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The places nearest to queries (Q, 3): points (Q, 3), distances (Q,), faces (Q,), corner weights (Q, 3).

    Points, distances and weights are differentiable by queries and vertices; the face is held fixed.
    """
    queries, *tree = plain(queries, boxes, children, triangles, face_ids)
    points, weights, distances = torch.empty_like(queries), torch.empty_like(queries), queries.new_empty(len(queries))
    found, order = faces.new_empty(len(queries)), query_order(queries, *tree, scale)
    native_of(queries).bvh_closest(queries, *tree, scale, order, points, distances, found, weights)
    return points, distances, found, weights


@closest_points.register_fake
def _(
    queries: Tensor,
    vertices: Tensor,
    faces: Tensor,
    boxes: Tensor,
    children: Tensor,
    triangles: Tensor,
    face_ids: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    count = queries.shape[0]
    shapes = queries.new_empty(count, 3), queries.new_empty(count), faces.new_empty(count), queries.new_empty(count, 3)
    return shapes


def _closest_points_backward_on_gpu(
    queries: Tensor,
    vertices: Tensor,
    faces: Tensor,
    found: Tensor,
    weights: Tensor,
    points_bar: Tensor,
    distances_bar: Tensor,
    weights_bar: Tensor,
) -> tuple[Tensor, Tensor]:
    tensors = plain(queries, vertices, faces, found, weights, points_bar, distances_bar, weights_bar)
    native, queries_bar = native_of(queries), torch.empty_like(tensors[0])
    if ordered_sums.wanted():
        rows = vertices.new_empty(3 * queries.shape[0], 3)
        native.bvh_closest_rows(*tensors, queries_bar, rows)
        return queries_bar, ordered_sums.sum_rows(rows, faces[found].reshape(-1), len(vertices))
    vertices_bar = torch.zeros_like(tensors[1])
    native.bvh_closest_backward(*tensors, queries_bar, vertices_bar)
    return queries_bar, vertices_bar


@custom_op("geokit::closest_points_backward", cuda=_closest_points_backward_on_gpu)
def _closest_points_backward(
    queries: Tensor,
    vertices: Tensor,
    faces: Tensor,
    found: Tensor,
    weights: Tensor,
    points_bar: Tensor,
    distances_bar: Tensor,
    weights_bar: Tensor,
) -> tuple[Tensor, Tensor]:
    tensors = plain(queries, vertices, faces, found, weights, points_bar, distances_bar, weights_bar)
    queries_bar, vertices_bar = torch.empty_like(tensors[0]), torch.empty_like(tensors[1])
    native_of(queries).bvh_closest_backward(*tensors, queries_bar, vertices_bar)
    return queries_bar, vertices_bar


@_closest_points_backward.register_fake
def _(
    queries: Tensor,
    vertices: Tensor,
    faces: Tensor,
    found: Tensor,
    weights: Tensor,
    points_bar: Tensor,
    distances_bar: Tensor,
    weights_bar: Tensor,
) -> tuple[Tensor, Tensor]:
    return queries.new_empty(queries.shape), vertices.new_empty(vertices.shape)


def _setup_closest(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(output[2])
    ctx.save_for_backward(*inputs[:3], output[2], output[3])


def _closest_backward(ctx: Any, *bars: Tensor) -> tuple[Tensor | None, ...]:
    points_bar, distances_bar, _, weights_bar = bars
    pulled = _closest_points_backward(*ctx.saved_tensors, points_bar, distances_bar, weights_bar)
    return *pulled, None, None, None, None, None, None


closest_points.register_autograd(_closest_backward, setup_context=_setup_closest)


@custom_op("geokit::ray_cast", cuda=True)
def ray_cast(
    origins: Tensor,
    directions: Tensor,
    vertices: Tensor,
    faces: Tensor,
    boxes: Tensor,
    children: Tensor,
    triangles: Tensor,
    face_ids: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """First hits of rays: t (R,), faces (R,) and weights of their corners (R, 3). Only t is differentiable."""
    origins, directions, *tree = plain(origins, directions, boxes, children, triangles, face_ids)
    t, weights, found = origins.new_empty(len(origins)), torch.empty_like(origins), faces.new_empty(len(origins))
    order = query_order(origins, *tree, scale)
    native_of(origins).bvh_ray_cast(origins, directions, *tree, scale, order, t, found, weights)
    return t, found, weights


@ray_cast.register_fake
def _(
    origins: Tensor,
    directions: Tensor,
    vertices: Tensor,
    faces: Tensor,
    boxes: Tensor,
    children: Tensor,
    triangles: Tensor,
    face_ids: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    count = origins.shape[0]
    return origins.new_empty(count), faces.new_empty(count), origins.new_empty(count, 3)


def _setup_rays(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(*inputs[1:4], *output)


def _rays_backward(ctx: Any, t_bar: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    """With N the normal, N.d dt = N.(sum of weights dv - do - t dd); what missed pulls nothing back."""
    directions, vertices, faces, t, found, weights = ctx.saved_tensors
    hit = found >= 0
    corners = faces[found.clamp_min(0)]
    a, b, c = vertices[corners].unbind(1)
    normals = torch.linalg.cross(b - a, c - a)
    slopes = torch.where(hit, (normals * directions).sum(1), 1)
    pull = torch.where(hit, t_bar / slopes, 0).unsqueeze(1) * normals
    of_corners = weights.unsqueeze(2) * pull.unsqueeze(1)
    vertices_bar = torch.zeros_like(vertices).index_add(0, corners.reshape(-1), of_corners.reshape(-1, 3))
    return -pull, -torch.where(hit, t, 0).unsqueeze(1) * pull, vertices_bar, None, None, None, None, None, None


ray_cast.register_autograd(_rays_backward, setup_context=_setup_rays)
