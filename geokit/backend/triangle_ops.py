"""Triangles drawn into pictures: which face a pixel sees and where, values carried to pixels, silhouettes smoothed.

Points are in camera space (x right, y down, z forward); intrinsics are (4,) fx, fy, cx, cy in pixels, with the centre
of the first pixel at (0.5, 0.5). Indices are checked on the way forward, by the kernels: on a GPU that is one number to
wait for in each operator. Their gradients wait for nothing.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend import ordered_sums
from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op, native_of, plain
from geokit.errors import InvalidInput

LARGEST_PICTURE = 1 << 15  # pixels along one side


@custom_op("geokit::rasterize_triangles", cuda=True)
def _rasterize(
    points: Tensor, faces: Tensor, intrinsics: Tensor, width: int, height: int, near: float, cull_back_faces: bool
) -> tuple[Tensor, Tensor, Tensor]:
    points, faces, intrinsics = plain(points, faces, intrinsics)
    face_ids = faces.new_empty(height, width)
    barycentrics, depth = points.new_empty(height, width, 3), points.new_empty(height, width)
    native, wrong = native_of(points), faces.new_full((1,), len(faces))
    scratch = faces.new_zeros(native.draw_scratch(points, faces, intrinsics, width, height))
    outputs = face_ids, barycentrics, depth, wrong, scratch
    native.draw_triangles(points, faces, intrinsics, width, height, near, cull_back_faces, *outputs)
    bad = int(wrong)
    if bad < len(faces):
        raise InvalidInput(
            f"face {bad} names the vertices {faces[bad].tolist()}, but there are {len(points)} vertices, numbered from "
            "0; correct the indices"
        )
    return barycentrics, depth, face_ids


@_rasterize.register_fake
def _(
    points: Tensor, faces: Tensor, intrinsics: Tensor, width: int, height: int, near: float, cull_back_faces: bool
) -> tuple[Tensor, Tensor, Tensor]:
    face_ids = faces.new_empty(height, width)
    return points.new_empty(height, width, 3), points.new_empty(height, width), face_ids


def _rasterize_backward_on_gpu(
    points: Tensor, faces: Tensor, intrinsics: Tensor, face_ids: Tensor, barycentrics_bar: Tensor, depth_bar: Tensor
) -> Tensor:
    points, faces, intrinsics, face_ids = plain(points, faces, intrinsics, face_ids)
    height, width = face_ids.shape
    inputs = points, faces, intrinsics, width, height, face_ids, *plain(barycentrics_bar, depth_bar)
    if ordered_sums.wanted():
        rows = points.new_empty(3 * height * width, 3)
        native_of(points).draw_triangles_rows(*inputs, rows)
        corners = ordered_sums.corners_of(faces, face_ids, len(points))
        return ordered_sums.sum_rows(rows, corners.reshape(-1), len(points))
    points_bar = torch.zeros_like(points)
    native_of(points).draw_triangles_backward(*inputs, points_bar)
    return points_bar


@custom_op("geokit::rasterize_triangles_backward", cuda=_rasterize_backward_on_gpu)
def _rasterize_backward(
    points: Tensor, faces: Tensor, intrinsics: Tensor, face_ids: Tensor, barycentrics_bar: Tensor, depth_bar: Tensor
) -> Tensor:
    points, faces, intrinsics, face_ids = plain(points, faces, intrinsics, face_ids)
    height, width = face_ids.shape
    points_bar = torch.empty_like(points)
    native_of(points).draw_triangles_backward(
        points, faces, intrinsics, width, height, face_ids, *plain(barycentrics_bar, depth_bar), points_bar
    )
    return points_bar


@_rasterize_backward.register_fake
def _(
    points: Tensor, faces: Tensor, intrinsics: Tensor, face_ids: Tensor, barycentrics_bar: Tensor, depth_bar: Tensor
) -> Tensor:
    return torch.empty_like(points, memory_format=torch.contiguous_format)


def _rasterize_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(output[2])
    ctx.save_for_backward(*inputs[:3], output[2])


def _rasterize_gradient(ctx: Any, barycentrics_bar: Tensor, depth_bar: Tensor, _ids: Tensor) -> tuple[Any, ...]:
    return _rasterize_backward(*ctx.saved_tensors, barycentrics_bar, depth_bar), *[None] * 6


_rasterize.register_autograd(_rasterize_gradient, setup_context=_rasterize_setup)


@custom_op("geokit::interpolate", cuda=True)
def _interpolate(attributes: Tensor, faces: Tensor, face_ids: Tensor, barycentrics: Tensor) -> Tensor:
    attributes, faces, face_ids, barycentrics = plain(attributes, faces, face_ids, barycentrics)
    values = attributes.new_empty(*face_ids.shape, attributes.shape[1])
    wrong = faces.new_full((1,), face_ids.numel())
    native_of(attributes).interpolate(attributes, faces, face_ids, barycentrics, values, wrong)
    bad = int(wrong)
    if bad < face_ids.numel():
        raise InvalidInput(
            f"pixel {bad} sees face {int(face_ids.reshape(-1)[bad])}, but there are {len(faces)} faces and "
            f"{len(attributes)} rows of attributes; give the faces that the picture was drawn from"
        )
    return values


@_interpolate.register_fake
def _(attributes: Tensor, faces: Tensor, face_ids: Tensor, barycentrics: Tensor) -> Tensor:
    return attributes.new_empty(*face_ids.shape, attributes.shape[1])


def _interpolate_backward_on_gpu(
    attributes: Tensor, faces: Tensor, face_ids: Tensor, barycentrics: Tensor, values_bar: Tensor
) -> tuple[Tensor, Tensor]:
    inputs = plain(attributes, faces, face_ids, barycentrics, values_bar)
    native, barycentrics_bar, channels = native_of(attributes), torch.empty_like(inputs[3]), attributes.shape[1]
    if ordered_sums.wanted():
        rows = attributes.new_empty(3 * face_ids.numel(), channels)
        native.interpolate_rows(*inputs, rows, barycentrics_bar)
        corners = ordered_sums.corners_of(faces, face_ids, len(attributes))
        return ordered_sums.sum_rows(rows, corners.reshape(-1), len(attributes)), barycentrics_bar
    attributes_bar = torch.zeros_like(inputs[0])
    native.interpolate_backward(*inputs, attributes_bar, barycentrics_bar)
    return attributes_bar, barycentrics_bar


@custom_op("geokit::interpolate_backward", cuda=_interpolate_backward_on_gpu)
def _interpolate_backward(
    attributes: Tensor, faces: Tensor, face_ids: Tensor, barycentrics: Tensor, values_bar: Tensor
) -> tuple[Tensor, Tensor]:
    inputs = plain(attributes, faces, face_ids, barycentrics, values_bar)
    bars = torch.empty_like(inputs[0]), torch.empty_like(inputs[3])
    native_of(attributes).interpolate_backward(*inputs, *bars)
    return bars


@_interpolate_backward.register_fake
def _(
    attributes: Tensor, faces: Tensor, face_ids: Tensor, barycentrics: Tensor, values_bar: Tensor
) -> tuple[Tensor, Tensor]:
    contiguous = torch.contiguous_format
    return torch.empty_like(attributes, memory_format=contiguous), torch.empty_like(
        barycentrics, memory_format=contiguous
    )


def _interpolate_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _interpolate_gradient(ctx: Any, values_bar: Tensor) -> tuple[Any, ...]:
    attributes_bar, barycentrics_bar = _interpolate_backward(*ctx.saved_tensors, values_bar)
    return attributes_bar, None, None, barycentrics_bar


_interpolate.register_autograd(_interpolate_gradient, setup_context=_interpolate_setup)


@custom_op("geokit::silhouette_crossings", cuda=True)
def _crossings(
    points: Tensor, edges: Tensor, intrinsics: Tensor, near: float, face_ids: Tensor, depth: Tensor
) -> Tensor:
    points, edges, intrinsics, face_ids, depth = plain(points, edges, intrinsics, face_ids, depth)
    height, width = face_ids.shape
    crossings = face_ids.new_empty(2, height, width, dtype=torch.int32)
    native, wrong = native_of(points), edges.new_full((1,), len(edges))
    scratch = edges.new_zeros(native.crossings_scratch(points, edges, intrinsics, width, height))
    outputs = crossings, wrong, scratch
    native.find_crossings(points, edges, intrinsics, width, height, near, face_ids, depth, *outputs)
    bad = int(wrong)
    if bad < len(edges):
        raise InvalidInput(
            f"edge {bad} names the vertices {edges[bad].tolist()}, but there are {len(points)} vertices; correct the "
            "indices"
        )
    return crossings


@_crossings.register_fake
def _(points: Tensor, edges: Tensor, intrinsics: Tensor, near: float, face_ids: Tensor, depth: Tensor) -> Tensor:
    return torch.empty(2, *face_ids.shape, dtype=torch.int32, device=points.device)


@custom_op("geokit::antialias", cuda=True)
def _antialias(image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, crossings: Tensor) -> Tensor:
    inputs = plain(image, points, edges, intrinsics, crossings)
    result, wrong = torch.empty_like(inputs[0]), edges.new_full((1,), crossings.numel())
    native_of(image).antialias(*inputs, result, wrong)
    bad = int(wrong)
    if bad < crossings.numel():
        raise InvalidInput(
            f"the crossing at pixel {bad % (crossings.numel() // 2)} names an edge that is not among the {len(edges)} "
            "edges; give the edges that the crossings were found with"
        )
    return result


@_antialias.register_fake
def _(image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, crossings: Tensor) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _antialias_backward_on_gpu(
    image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, crossings: Tensor, result_bar: Tensor
) -> tuple[Tensor, Tensor]:
    inputs = plain(image, points, edges, intrinsics, crossings, result_bar)
    native, image_bar = native_of(image), torch.empty_like(inputs[0])
    if ordered_sums.wanted():
        rows = points.new_empty(2 * crossings.numel(), 3)
        native.antialias_rows(*inputs, image_bar, rows)
        ends = torch.cat([edges[:, :2], edges.new_full((1, 2), len(points))])[crossings.abs().long() - 1]
        return image_bar, ordered_sums.sum_rows(rows, ends.reshape(-1), len(points))
    points_bar = torch.zeros_like(inputs[1])
    native.antialias_backward(*inputs, image_bar, points_bar)
    return image_bar, points_bar


@custom_op("geokit::antialias_backward", cuda=_antialias_backward_on_gpu)
def _antialias_backward(
    image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, crossings: Tensor, result_bar: Tensor
) -> tuple[Tensor, Tensor]:
    inputs = plain(image, points, edges, intrinsics, crossings, result_bar)
    bars = torch.empty_like(inputs[0]), torch.empty_like(inputs[1])
    native_of(image).antialias_backward(*inputs, *bars)
    return bars


@_antialias_backward.register_fake
def _(
    image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, crossings: Tensor, result_bar: Tensor
) -> tuple[Tensor, Tensor]:
    contiguous = torch.contiguous_format
    return torch.empty_like(image, memory_format=contiguous), torch.empty_like(points, memory_format=contiguous)


def _antialias_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _antialias_gradient(ctx: Any, result_bar: Tensor) -> tuple[Any, ...]:
    image_bar, points_bar = _antialias_backward(*ctx.saved_tensors, result_bar)
    return image_bar, points_bar, None, None, None


_antialias.register_autograd(_antialias_gradient, setup_context=_antialias_setup)


def rasterize_triangles(
    points: Tensor,
    faces: Tensor,
    intrinsics: Tensor,
    width: int,
    height: int,
    *,
    near: float = 1e-6,
    cull_back_faces: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The face that each pixel sees at its centre, and the point seen.

    points: (V, 3) in camera space. faces: (F, 3) int64. near: what is nearer to the camera's plane is cut off, > 0.
    cull_back_faces: leave out faces whose corners turn clockwise as seen.
    Returns face ids (H, W) int64, -1 where nothing is seen, of equally near faces the lowest; perspective-correct
    barycentrics (H, W, 3) and depth (H, W), the camera's z, both 0 where nothing is seen. Barycentrics and depth are
    differentiable by points. Faces with a corner that is not finite are not drawn.
    Raises `InvalidInput` for other shapes, unequal dtypes, and faces that name a vertex that is not there.
    """
    check_tensor("points", points, ("V", 3), FLOATS)
    check_tensor("faces", faces, ("F", 3), torch.int64)
    check_tensor("intrinsics", intrinsics, (4,), points.dtype)
    if not (1 <= width <= LARGEST_PICTURE and 1 <= height <= LARGEST_PICTURE):
        raise InvalidInput(f"a picture must have 1 to {LARGEST_PICTURE} pixels a side, got {width} x {height}")
    if not near > 0:
        raise InvalidInput(f"near must be positive, got {near}")
    barycentrics, depth, face_ids = _rasterize(points, faces, intrinsics.detach(), width, height, near, cull_back_faces)
    return face_ids, barycentrics, depth


def interpolate(attributes: Tensor, faces: Tensor, face_ids: Tensor, barycentrics: Tensor) -> Tensor:
    """Attributes (V, C) of the vertices at the points that pixels see: (..., C), 0 where nothing is seen.

    faces: (F, 3) int64, rows of `attributes`. face_ids: (...) int64. barycentrics: (..., 3).
    Differentiable by attributes and barycentrics. Raises `InvalidInput` for other shapes, unequal dtypes and
    indices out of range.
    """
    check_tensor("attributes", attributes, ("V", "C"), FLOATS)
    check_tensor("faces", faces, ("F", 3), torch.int64)
    check_tensor("face_ids", face_ids, tuple(face_ids.shape), torch.int64)
    check_tensor("barycentrics", barycentrics, (*face_ids.shape, 3), attributes.dtype)
    return _interpolate(attributes, faces, face_ids, barycentrics)


def silhouette_crossings(
    points: Tensor, edges: Tensor, intrinsics: Tensor, face_ids: Tensor, depth: Tensor, *, near: float = 1e-6
) -> Tensor:
    """Where the mesh's visible silhouettes pass between the centres of neighbouring pixels.

    edges: (E, 4) int64: two vertices, then the opposite vertex of the edge's first face and of its second, or -1.
    face_ids, depth: (H, W), of `rasterize_triangles`. Returns (2, H, W) int32: for each pixel with its right, then with
    its lower neighbour, 0 or the edge's number plus one, negative where the surface is on the neighbour's side.
    Raises `InvalidInput` for other shapes and for edges that name a vertex that is not there.
    """
    check_tensor("points", points, ("V", 3), FLOATS)
    check_tensor("edges", edges, ("E", 4), torch.int64)
    check_tensor("intrinsics", intrinsics, (4,), points.dtype)
    check_tensor("face_ids", face_ids, ("H", "W"), torch.int64)
    check_tensor("depth", depth, tuple(face_ids.shape), points.dtype)
    with torch.no_grad():
        return _crossings(points.detach(), edges, intrinsics.detach(), near, face_ids, depth.detach())


def antialias(image: Tensor, points: Tensor, edges: Tensor, intrinsics: Tensor, crossings: Tensor) -> Tensor:
    """A picture (H, W, C) with the pixels on both sides of every silhouette blended by where the silhouette passes.

    crossings: of `silhouette_crossings` with the same points and edges. Differentiable by the image and by the points:
    the derivative of a sum over pixels is that of what the silhouette's crossings with the lines of pixel centres say.
    Raises `InvalidInput` for other shapes, unequal dtypes and indices out of range.
    """
    check_tensor("image", image, ("H", "W", "C"), FLOATS)
    check_tensor("points", points, ("V", 3), image.dtype)
    check_tensor("edges", edges, ("E", 4), torch.int64)
    check_tensor("intrinsics", intrinsics, (4,), image.dtype)
    check_tensor("crossings", crossings, (2, *image.shape[:2]), torch.int32)
    return _antialias(image, points, edges, intrinsics.detach(), crossings)
