"""Unit quaternions (w, x, y, z); q and -q are the same rotation."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from geokit.geometry.rotations.series import check_batch


def matrix_from_quaternion(quats: Tensor) -> Tensor:
    """(..., 3, 3) rotation matrices of quaternions (..., 4), (w, x, y, z) of any non-zero length.

    A zero quaternion gives the identity.
    """
    check_batch("quats", quats, (4,))
    w, x, y, z = normalize(quats, dim=-1).unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_from_matrix(matrices: Tensor) -> Tensor:
    """(..., 4) unit quaternions with w >= 0 of rotation matrices (..., 3, 3).

    The matrix determines the sixteen products 4 q_i q_j; the row of the largest diagonal entry is a multiple of q with
    the least rounding (Shepperd 1978), so no root is taken of anything near zero. Of half turns, where w = 0, either of
    the two signs may come.
    """
    check_batch("matrices", matrices, (3, 3))
    a, b, c, d, e, f, g, h, i = matrices.flatten(-2).unbind(-1)
    rows = (
        1 + a + e + i, h - f, c - g, d - b,
        h - f, 1 + a - e - i, d + b, c + g,
        c - g, d + b, 1 - a + e - i, h + f,
        d - b, c + g, h + f, 1 - a - e + i,
    )  # fmt: skip
    products = torch.stack(rows, dim=-1).unflatten(-1, (4, 4))
    best = products.detach().diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = products.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    return upper_half(normalize(row, dim=-1))


def quaternion_product(p: Tensor, q: Tensor) -> Tensor:
    """(..., 4) Hamilton's product: the rotation q, then the rotation p. Leading dimensions broadcast."""
    check_batch("p", p, (4,))
    check_batch("q", q, (4,))
    a, b, c, d = p.unbind(-1)
    w, x, y, z = q.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        dim=-1,
    )


def quaternion_conjugate(quats: Tensor) -> Tensor:
    """(..., 4) the inverse rotations of unit quaternions."""
    check_batch("quats", quats, (4,))
    return torch.cat([quats[..., :1], -quats[..., 1:]], dim=-1)


def rotate_by_quaternion(quats: Tensor, vectors: Tensor) -> Tensor:
    """(..., 3) `vectors` (..., 3) turned by unit quaternions (..., 4); leading dimensions broadcast."""
    check_batch("quats", quats, (4,))
    check_batch("vectors", vectors, (3,))
    axis, vectors = torch.broadcast_tensors(quats[..., 1:], vectors)
    twice = 2 * torch.linalg.cross(axis, vectors)
    return vectors + quats[..., :1] * twice + torch.linalg.cross(axis, twice)


def upper_half(quats: Tensor) -> Tensor:
    """The one of q and -q that has w >= 0."""
    return torch.where(quats[..., :1] < 0, -quats, quats)
