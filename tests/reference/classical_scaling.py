"""Classical multidimensional scaling as textbooks write it: from all distances, through an N x N matrix."""

import torch
from torch import Tensor


def classical_scaling(points: Tensor, dim: int) -> Tensor:
    """Coordinates (N, dim) float64 by descending spread, up to signs, of points (N, n)."""
    points = points.double()
    count = len(points)
    squares = torch.cdist(points, points) ** 2
    centering = torch.eye(count, dtype=torch.float64) - 1 / count
    values, vectors = torch.linalg.eigh(-centering @ squares @ centering / 2)
    return vectors[:, -dim:].flip(1) * values[-dim:].flip(0).clamp(min=0).sqrt()
