"""Channels by sixteen, as the native kernels take them."""

from torch import Tensor
from torch.nn.functional import pad

LANES = 16


def padded(values: Tensor) -> Tensor:
    """Values (..., C) with zeros up to a multiple of `LANES` channels."""
    missing = -values.shape[-1] % LANES
    return pad(values, (0, missing)) if missing else values


def cut(values: Tensor, like: Tensor) -> Tensor:
    """The first channels of values (..., C'), as many as `like` (..., C) has."""
    return values[..., : like.shape[-1]].contiguous()
