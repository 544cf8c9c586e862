"""Shapes moved by a 4x4 matrix, and brought to unit size by one that can be undone."""

from typing import Literal, TypeVar

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud

Shape = TypeVar("Shape", Mesh, PointCloud)


def transform_points(points: Tensor, matrix: Tensor) -> Tensor:
    """(..., 3) points moved by an affine matrix (4, 4) with last row (0, 0, 0, 1). Differentiable by both."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def transform(shape: Shape, matrix: Tensor) -> Shape:
    """The mesh or cloud moved by an affine matrix (4, 4); computed in the shape's own dtype.

    Normals go by the inverse transpose and stay unit; a reflection turns the faces round: outside stays outside.
    Raises `InvalidInput` for a matrix of another shape, with NaN, another last row, or without an inverse where there
    are normals.
    """
    places = shape.points if isinstance(shape, PointCloud) else shape.vertices
    check_tensor("matrix", matrix, (4, 4), finite=True)
    matrix = matrix.to(places)
    if not torch.allclose(matrix[3], matrix.new_tensor([0, 0, 0, 1]), atol=1e-6):
        raise InvalidInput(f"matrix must be affine with last row (0, 0, 0, 1), got {matrix[3].tolist()}")
    normals = None if shape.normals is None else _moved_normals(shape.normals, matrix[:3, :3])
    if isinstance(shape, PointCloud):
        return shape.replace(points=transform_points(places, matrix), normals=normals)
    moved = shape.replace(vertices=transform_points(places, matrix), normals=normals)
    if torch.linalg.det(matrix[:3, :3]) >= 0:
        return moved
    return moved.replace(faces=moved.faces.flip(1), uv=None if moved.uv is None else moved.uv.flip(1))


def _moved_normals(normals: Tensor, linear: Tensor) -> Tensor:
    inverse, failed = torch.linalg.inv_ex(linear.to(normals))
    if int(failed):
        raise InvalidInput("matrix flattens space (its determinant is 0), so normals cannot be moved; leave them out")
    return torch.nn.functional.normalize(normals @ inverse, dim=1)


def normalize_to_unit(shape: Shape, to: Literal["box", "sphere"] = "box") -> tuple[Shape, Tensor]:
    """The shape centred at the origin in unit size, and the (4, 4) matrix that brought it there.

    box: the longest side of the bounding box becomes 2, from -1 to 1. sphere: the farthest point from the centre of the
    box comes to distance 1. `transform(result, torch.linalg.inv(matrix))` undoes it. Raises `InvalidInput` for a shape
    without points or of zero size.
    """
    places = (shape.points if isinstance(shape, PointCloud) else shape.vertices).detach()
    if not len(places):
        raise InvalidInput("normalize_to_unit needs at least one point, got an empty shape")
    low, high = places.amin(0).double(), places.amax(0).double()
    center = (low + high) / 2
    half = float((high - low).max() / 2) if to == "box" else float((places.double() - center).norm(dim=1).max())
    if half <= 0:
        raise InvalidInput("normalize_to_unit needs a shape of some size, but all of its points are the same")
    matrix = torch.eye(4, dtype=torch.float64, device=places.device)
    matrix[:3, :3] /= half
    matrix[:3, 3] = -center / half
    return transform(shape, matrix), matrix
