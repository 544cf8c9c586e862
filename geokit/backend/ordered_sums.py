"""Sums that many rows are added to, in a fixed order: on a GPU, where torch is told to be deterministic.

Elsewhere kernels add with atomic operations, which is faster, and may give other last bits in every run.
"""

import torch
from torch import Tensor

from geokit.backend.native import native_of, plain


def wanted() -> bool:
    """Whether results on a GPU are to have the same bits in every run (`torch.use_deterministic_algorithms`)."""
    return torch.are_deterministic_algorithms_enabled()


def sum_rows(rows: Tensor, keys: Tensor, count: int) -> Tensor:
    """(count, C): for each key below `count` the sum of the rows (N, C) with that key; keys: (N,) int64."""
    rows, keys = plain(rows, keys)
    found, order = keys.sort(stable=True)
    starts = torch.searchsorted(found, torch.arange(count + 1, device=keys.device))
    sums = rows.new_empty(count, rows.shape[1])
    native_of(rows).sum_rows(rows, order, starts, sums)
    return sums


def corners_of(faces: Tensor, face_ids: Tensor, none: int) -> Tensor:
    """(..., 3): the corners of each face id, `none` for those that are -1."""
    return torch.cat([faces, faces.new_full((1, 3), none)])[face_ids]
