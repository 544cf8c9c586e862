"""Channels by sixteen, as the native kernels take them."""

from torch import Tensor
from torch.nn.functional import pad

from geokit.backend.native import plain

LANES = 16


def padded(values: Tensor) -> Tensor:
    """Values (..., C) with zeros up to a multiple of `LANES` channels."""
    missing = -values.shape[-1] % LANES
    return pad(values, (0, missing)) if missing else values


def cut(values: Tensor, like: Tensor) -> Tensor:
    """The first channels of values (..., C'), as many as `like` (..., C) has."""
    return values[..., : like.shape[-1]].contiguous()


def aligned(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors as kernels take them that load 16 bytes at once: plain, and beginning at a multiple of these."""
    return tuple(t.clone() if t.data_ptr() % 16 else t for t in plain(*tensors))
