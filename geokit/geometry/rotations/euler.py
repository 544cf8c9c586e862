"""Euler angles in all twelve sequences, intrinsic and extrinsic.

A convention is three letters: upper case 'ZYX' turns about the axes of the moving body (intrinsic), lower case 'zyx'
about the fixed axes (extrinsic), each from left to right; the same strings mean the same in scipy. As matrices:
'ZYX' with (a, b, c) is Rz(a) Ry(b) Rx(c), and 'zyx' is Rx(c) Ry(b) Rz(a).
"""

from itertools import product

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.rotations.series import check_batch

_SEQUENCES = ["".join(s) for s in product("xyz", repeat=3) if s[0] != s[1] != s[2]]
CONVENTIONS = (*_SEQUENCES, *(s.upper() for s in _SEQUENCES))


def matrix_from_euler(angles: Tensor, convention: str) -> Tensor:
    """(..., 3, 3) rotations of Euler angles (..., 3) in radians, in the order of the letters of `convention`.

    Raises `InvalidInput` for a convention that is not in `CONVENTIONS`.
    """
    axes = _axes(convention)
    check_batch("angles", angles, (3,))
    first, second, third = (_elemental(angles[..., n], axis) for n, axis in enumerate(axes))
    return first @ second @ third if convention.isupper() else third @ second @ first


def euler_from_matrix(matrices: Tensor, convention: str) -> Tensor:
    """(..., 3) Euler angles in radians of rotation matrices (..., 3, 3).

    The first and third angle lie in [-pi, pi], the second in [-pi/2, pi/2], or in [0, pi] when the first and last axis
    are the same. In gimbal lock only the sum or difference of the outer angles is determined: the third is zero, and
    the angles give back the matrix all the same. There the map jumps, and the gradients are those along the directions
    in which it does not. Raises `InvalidInput` for a convention that is not in `CONVENTIONS`.
    """
    i, j, k = _axes(convention)
    check_batch("matrices", matrices, (3, 3))
    if convention.isupper():
        return torch.stack(_intrinsic(matrices, i, j, k), dim=-1)
    # The inverse of an extrinsic turn is the intrinsic one of the same axes by the angles' negatives. Where the middle
    # angle lies in [0, pi], a half turn of the frame about the first axis gives it its sign back.
    inverse = matrices.mT
    if i == k:
        flip = torch.tensor([1.0 if axis == i else -1.0 for axis in range(3)]).to(matrices)
        inverse = flip[:, None] * inverse * flip
    a, b, c = _intrinsic(inverse, i, j, k)
    return torch.stack([-a, b if i == k else -b, -c], dim=-1)


def _intrinsic(m: Tensor, i: int, j: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """a, b, c of m = R_i(a) R_j(b) R_k(c)."""
    last = 3 - i - j  # the axis that is neither i nor j; k when the three differ
    e = 1.0 if (j - i) % 3 == 1 else -1.0
    if i == k:
        sine, cosine = torch.linalg.vector_norm(m[..., i, [j, last]], dim=-1), m[..., i, i]
        b, size = torch.atan2(sine, cosine), sine
        y, x = m[..., i, j], e * m[..., i, last]
    else:
        size = torch.linalg.vector_norm(m[..., i, [i, j]], dim=-1)
        b = torch.atan2(e * m[..., i, k], size)
        y, x = -e * m[..., i, j], m[..., i, i]
    locked = size.detach() < (1e-10 if m.dtype == torch.float64 else 1e-6)
    c = torch.atan2(torch.where(locked, torch.zeros_like(y), y), torch.where(locked, torch.ones_like(x), x))
    # Column j of m R_k(c)' = R_i(a) R_j(b), which the middle turn leaves alone: right whatever c is in gimbal lock.
    cos, sin = c.cos()[..., None], c.sin()[..., None]
    other, sign = (last, -e) if i == k else (i, e)
    column = cos * m[..., :, j] + sign * sin * m[..., :, other]
    a = torch.atan2(e * column[..., last], column[..., j])
    return a, b, c


def _elemental(angle: Tensor, axis: int) -> Tensor:
    """The rotation about one coordinate axis."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]
    turned = [rows[(r - axis) % 3][(c - axis) % 3] for r in range(3) for c in range(3)]
    return torch.stack(turned, dim=-1).unflatten(-1, (3, 3))


def _axes(convention: str) -> tuple[int, int, int]:
    if convention not in CONVENTIONS:
        raise InvalidInput(
            f"an Euler convention is three axes without a repetition in a row, 'XYZ' about the body's axes or 'xyz' "
            f"about fixed ones, got {convention!r}"
        )
    i, j, k = ("xyz".index(letter) for letter in convention.lower())
    return i, j, k
