"""Rotation representations."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def matrix_from_quaternion(quats: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrices of quaternions (..., 4), (w, x, y, z) of any non-zero length."""
    w, x, y, z = normalize(quats, dim=-1).unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
