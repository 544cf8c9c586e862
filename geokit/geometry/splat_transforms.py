"""Splats moved by a similarity: their harmonics and their waves turn with them."""

import math
from functools import cache

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.backend.splatting_ops import spherical_harmonics
from geokit.errors import InvalidInput
from geokit.geometry.rotations import quaternion_from_matrix, quaternion_product
from geokit.geometry.splats import Splats
from geokit.geometry.transforms import transform_points

_TOLERANCE = 1e-5  # of the linear part against a rotation times a scale
_DIRECTIONS = 64  # more than the 16 functions need, well spread: the fit is exact


def transform_splats(splats: Splats, matrix: Tensor) -> Splats:
    """The splats moved by a similarity (4, 4): rotation, uniform scale, translation; computed in the splats' dtype.

    A camera that is moved along sees the same picture. Raises `InvalidInput` for a matrix that is no similarity (shear,
    reflection, scales that differ), of another shape or with NaN.
    """
    check_tensor("matrix", matrix, (4, 4), finite=True)
    matrix = matrix.detach().to(device=splats.means.device, dtype=torch.float64)
    determinant = float(torch.linalg.det(matrix[:3, :3]))
    scale = abs(determinant) ** (1 / 3)
    rotation = matrix[:3, :3] / (scale or 1.0)
    error = float((rotation @ rotation.T - torch.eye(3).to(rotation)).abs().max())
    last = float((matrix[3] - matrix.new_tensor([0, 0, 0, 1])).abs().max())
    if determinant <= 0 or error > _TOLERANCE or last > _TOLERANCE:
        raise InvalidInput(
            "splats can be turned, scaled alike in all directions and moved, but this matrix does more "
            f"(determinant {determinant:.3g}, {error:.2g} away from a rotation); leave shear and reflections out"
        )
    turn = quaternion_from_matrix(rotation).to(splats.quats)
    return splats.replace(
        means=transform_points(splats.means.double(), matrix).to(splats.means),
        quats=quaternion_product(turn.expand_as(splats.quats), splats.quats),
        log_scales=splats.log_scales + math.log(scale),
        sh_coeffs=rotate_harmonics(splats.sh_coeffs, rotation),
        wave_frequencies=splats.wave_frequencies @ (rotation.T / scale).to(splats.wave_frequencies),
    )


def rotate_harmonics(coeffs: Tensor, rotation: Tensor) -> Tensor:
    """Coefficients (N, B, C) of the function turned by `rotation` (3, 3): new(R d) = old(d) for every direction d.

    B = 1, 4, 9 or 16, as in `Splats`. Degrees do not mix. The matrix of the turn is the one that maps the values of the
    basis at well-spread directions to those at the turned ones, by least squares, which are exact here.
    """
    check_tensor("rotation", rotation, (3, 3), finite=True)
    count = coeffs.shape[1]
    if count not in (1, 4, 9, 16):
        raise InvalidInput(f"coeffs must hold 1, 4, 9 or 16 harmonics, got {count}")
    if count == 1:
        return coeffs
    directions = _spread()
    turned = _basis(count, directions @ rotation.detach().cpu().double().T)
    matrix = torch.linalg.lstsq(turned, _basis(count, directions)).solution
    return torch.einsum("bc,nck->nbk", matrix.to(coeffs), coeffs)


def _basis(count: int, directions: Tensor) -> Tensor:
    """(M, B) the harmonics at directions (M, 3), float64."""
    degree = math.isqrt(count) - 1
    one = torch.eye(count, dtype=torch.float64)[:, None, :, None]
    values = [
        spherical_harmonics(degree, directions, row.expand(len(directions), count, 3).contiguous()) for row in one
    ]
    return torch.stack([value[:, 0] for value in values], dim=1)


@cache
def _spread() -> Tensor:
    """(M, 3) directions along a spiral from pole to pole."""
    step = torch.arange(_DIRECTIONS, dtype=torch.float64) + 0.5
    z = 1 - 2 * step / _DIRECTIONS
    around = step * (math.pi * (3 - math.sqrt(5)))
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * around.cos(), radius * around.sin(), z], dim=1)
