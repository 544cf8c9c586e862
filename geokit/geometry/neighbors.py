"""Nearest neighbours among points."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor


def neighbor_distances(points: Tensor, k: int) -> Tensor:
    """(N, min(k, N - 1)) distances of every point to its nearest other points, ascending; points (N, 3)."""
    from scipy.spatial import cKDTree

    check_tensor("points", points, ("N", 3), FLOATS, finite=True)
    k = min(k, len(points) - 1)
    if k < 1:
        return points.new_zeros(len(points), 0)
    array = points.detach().cpu().numpy()
    distances, _ = cKDTree(array).query(array, k=k + 1, workers=torch.get_num_threads())
    return torch.from_numpy(distances[:, 1:]).to(points)
