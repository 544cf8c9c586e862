"""Marching cubes through cells of a lattice of quadratic B-splines, with shared vertices."""

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops


def cells_mesh(around: Tensor, cells: Tensor, coefficients: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3), in cells, and faces (F, 3) of the zero set in cells (C, 3) int64, each cut into parts^3 cubes.

    around: (C, 9) int32 columns around each cell (`spline_ops.around`), all of whose nodes are there. parts: 1 or 2.
    """
    edges, shares = ops.march(around, cells.to(torch.int32), coefficients, parts)
    unique, faces = torch.unique(edges, return_inverse=True)
    share = shares.new_empty(len(unique))
    share[faces.reshape(-1)] = shares.reshape(-1)
    axis, mask = unique & 3, (1 << 20) - 1
    corners = torch.stack([unique >> 42, (unique >> 22) & mask, (unique >> 2) & mask], dim=1) - ops.BIAS
    places = corners.to(coefficients)
    places[torch.arange(len(places)), axis] += share
    return places / parts, faces
