"""Integers as few bytes: planes of values that are mostly small, by an adaptive binary range coder."""

import numpy as np
import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.backend.native import _native
from geokit.errors import InvalidInput

PARENTS = 3
_PER_BYTE = 20_000  # values that a byte of a code can stand for


def no_parents(planes: int) -> Tensor:
    """Parents (planes, 3) int32 of planes that nothing else tells about."""
    return torch.full((planes, PARENTS), -1, dtype=torch.int32)


def bytes_tensor(code: bytes) -> Tensor:
    """A code as (n,) uint8, n at least 1, as files hold it; the decoder reads the zero of an empty one alike."""
    return torch.frombuffer(bytearray(code or b"\0"), dtype=torch.uint8)


def encode_planes(values: Tensor, parents: Tensor) -> bytes:
    """The code of values (planes, rows, columns) int32, lossless: each is taken to be about as large as what is near.

    Near are its neighbours in the plane that come before it in rows, and the values at the same place of the planes
    parents (planes, 3) int32, which come before, or -1. Probabilities of the bits adapt as in Martin's range coder
    (1979). Raises `InvalidInput` for other shapes and dtypes, values of -2^31, and parents that do not come before.
    """
    check_tensor("values", values, ("planes", "rows", "columns"), torch.int32)
    _check_parents(parents, len(values))
    if values.numel() and int(values.min()) == torch.iinfo(torch.int32).min:
        raise InvalidInput("values must be above -2^31")
    code: bytes = _native.encode_planes(values.cpu().contiguous(), parents.cpu().contiguous())
    return code


def decode_planes(code: bytes, parents: Tensor, rows: int, columns: int) -> Tensor:
    """The values (planes, rows, columns) that `encode_planes` made a code of; other bytes give some values too.

    On the CPU, wherever the parents are.
    """
    _check_parents(parents, len(parents))
    out = torch.empty(len(parents), rows, columns, dtype=torch.int32)
    _native.decode_planes(code, parents.cpu().contiguous(), out)
    return out


def most_values(size: int) -> int:
    """How many values a code of `size` bytes can stand for: more are refused before memory is asked for."""
    return (1 << 22) + _PER_BYTE * size


def _check_parents(parents: Tensor, planes: int) -> None:
    check_tensor("parents", parents, (planes, PARENTS), torch.int32)
    late = parents.cpu().numpy() >= np.arange(planes)[:, None]
    if late.any() or (planes and int(parents.min()) < -1):
        raise InvalidInput("parents must come before their plane, or be -1")
