"""Splats to begin with."""

import torch
from torch import Tensor

from geokit.geometry import PointCloud, Splats
from geokit.geometry.neighbors import neighbor_distances
from geokit.geometry.rotations import matrix_from_quaternion
from geokit.geometry.splats import SH_C0


def splats_from_points(cloud: PointCloud, opacity: float = 0.1, scale: float = 1.0) -> Splats:
    """One round Gaussian a point, float32: its standard deviation `scale` times the mean distance to three neighbours.

    SH degree 0, no waves; grey where the cloud has no colours.
    """
    points = cloud.points.to(torch.float32)
    colors = torch.full_like(points, 0.5) if cloud.colors is None else cloud.colors.to(torch.float32)
    distances = neighbor_distances(points, 3)
    spacing = distances.mean(1) if distances.shape[1] else points.new_ones(len(points))
    spacing = spacing.clamp_min(1e-3 * float(spacing.median()) + 1e-12) * scale
    quats = points.new_zeros(len(points), 4)
    quats[:, 0] = 1
    return Splats(
        means=points,
        quats=quats,
        log_scales=spacing.log()[:, None].repeat(1, 3),
        logit_opacities=points.new_full((len(points),), opacity).logit(),
        sh_coeffs=((colors - 0.5) / SH_C0)[:, None],
    )


def covariance_factor(quats: Tensor, log_scales: Tensor) -> Tensor:
    """(N, 3, 3) matrices M = R diag(s) with covariance M M'; quats (N, 4), log_scales (N, 3)."""
    return matrix_from_quaternion(quats) * log_scales.exp()[:, None]


def turned(quats: Tensor, vectors: Tensor, back: bool = False) -> Tensor:
    """Vectors (N, K, 3) turned by the rotations of `quats` (N, 4), or back.

    By cross products: GPUs need a fifth of the memory traffic and of the kernels of small matrices.
    """
    unit = torch.nn.functional.normalize(quats, dim=1)[:, None]
    real, axis = unit[..., :1], unit[..., 1:].expand_as(vectors)
    twice = 2 * torch.linalg.cross(axis, vectors)
    return vectors + (-real if back else real) * twice + torch.linalg.cross(axis, twice)
