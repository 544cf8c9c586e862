"""Nearest points on triangles embedded in many dimensions, as a torch operator; cuda_ext/mesh/embedded_faces.h."""

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, plain


@custom_op("geokit::nearest_in_faces")
def nearest_in_faces(squares: Tensor, surface: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Faces (Q,) and weights (Q, 3) of the nearest points, of squared distances (Q, V) float64 to the vertices.

    surface: the arrays of `EmbeddedFaces`, in its order. Without a gradient: faces are chosen.
    """
    found = torch.empty(len(squares), dtype=torch.int64)
    weights = squares.new_empty(len(squares), 3)
    _native.nearest_in_faces(*plain(squares, *surface), found, weights)
    return found, weights


@nearest_in_faces.register_fake
def _(squares: Tensor, surface: list[Tensor]) -> tuple[Tensor, Tensor]:
    return squares.new_empty(len(squares), dtype=torch.int64), squares.new_empty(len(squares), 3)
