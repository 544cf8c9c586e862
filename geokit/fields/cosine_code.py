"""Coefficients of local cosines in bytes: which there are, and what they are as multiples of a step."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from geokit.backend.entropy_ops import decode_planes, encode_planes, no_parents
from geokit.errors import InvalidInput

BASE_STEP = 1 / 512  # of white: what is lost of the base is told by the cosines on it
ROUND_UP = 0.6  # shares of a step from which a magnitude is rounded up: zeros are cheap


def quantise(coefficients: Tensor, step: float) -> Tensor:
    """int32 (...): of which multiple of the step a coefficient is taken to be."""
    sizes = (coefficients.abs() / step + (1 - ROUND_UP)).floor().clamp(max=2**30)
    return (sizes * coefficients.sign()).to(torch.int32)


def encode(numbers: Tensor) -> bytes:
    """The code of numbers (tiles down, tiles across, functions down, functions across, c) int32."""
    order, parents = _planes(*numbers.shape[2:])
    return encode_planes(numbers.cpu().flatten(2)[:, :, order].permute(2, 0, 1).contiguous(), parents)


def decode(code: bytes, shape: tuple[int, int, int, int, int]) -> Tensor:
    """The numbers of that shape that `encode` made the code of."""
    order, parents = _planes(*shape[2:])
    out = torch.empty(shape, dtype=torch.int32)
    out.flatten(2)[:, :, order] = decode_planes(code, parents, *shape[:2]).permute(1, 2, 0)
    return out


def encode_base(numbers: Tensor) -> bytes:
    """The code of numbers (rows, columns, c) int32, as steps from one column to the next."""
    planes = numbers.cpu().permute(2, 0, 1)
    steps = torch.cat([planes[:, :, :1], planes.diff(dim=2)], 2)
    return encode_planes(steps.contiguous(), no_parents(len(planes)))


def decode_base(code: bytes, shape: tuple[int, int, int]) -> Tensor:
    """The numbers of that shape that `encode_base` made the code of."""
    return decode_planes(code, no_parents(shape[2]), *shape[:2]).cumsum(2, dtype=torch.int32).permute(1, 2, 0)


def _planes(down: int, across: int, channels: int) -> tuple[Tensor, Tensor]:
    """A plane for each frequency and channel, low frequencies first, as flat places; and its parents: the planes of the
    next lower frequencies and of the channel before."""
    places = torch.arange(down * across * channels).reshape(down, across, channels)
    k, l = torch.meshgrid(torch.arange(down), torch.arange(across), indexing="ij")
    order = places.flatten(0, 1)[torch.argsort((k + l).flatten(), stable=True)].flatten()
    rank = torch.empty_like(places)
    rank.view(-1)[order] = torch.arange(len(order))
    parents = torch.full((down, across, channels, 3), -1)
    parents[1:, :, :, 0] = rank[:-1]
    parents[:, 1:, :, 1] = rank[:, :-1]
    parents[:, :, 1:, 2] = rank[:, :, :-1]
    return order, parents.flatten(0, 2)[order].to(torch.int32)


def extents(keep: Tensor) -> Tensor:
    """Of every tile and channel the rectangle of frequencies that holds what is kept: (tiles, tiles, c, 2) int64."""
    return torch.stack([_last(keep.any(3)), _last(keep.any(2))], -1)


def _last(there: Tensor) -> Tensor:
    numbers = torch.arange(1, there.shape[2] + 1, device=there.device)[:, None]
    return (there * numbers).amax(2)


def choice_bits(keep: Tensor) -> int:
    """Bits to say which functions there are: two bytes for a rectangle, one bit for each function in it."""
    sizes = extents(keep)
    return 16 * sizes[..., 0].numel() + int(sizes.prod(-1).sum())


def pack(keep: Tensor) -> Tensor:
    """Which functions there are as bytes (n,) uint8: the rectangles, then the bits inside them, eight in a byte."""
    keep = keep.cpu()
    sizes = extents(keep)
    bits = keep[_inside(sizes, keep.shape)]
    packed = torch.from_numpy(np.packbits(bits.numpy()))
    return torch.cat([sizes.flatten().to(torch.uint8), packed])


def unpack(packed: Tensor, shape: tuple[int, int, int, int, int]) -> Tensor:
    """The bool tensor of that shape that `pack` made the bytes of. Raises `InvalidInput` for bytes that do not fit."""
    tiles = shape[0] * shape[1] * shape[4]
    if len(packed) < 2 * tiles:
        raise InvalidInput(f"{len(packed)} bytes are too few for {tiles} tiles and channels")
    sizes = packed[: 2 * tiles].reshape(*shape[:2], shape[4], 2).to(torch.int64)
    inside = _inside(sizes, shape)
    count = int(inside.sum())
    if len(packed) - 2 * tiles != (count + 7) // 8 or (sizes > torch.tensor(shape[2:4])).any():
        raise InvalidInput(f"{len(packed) - 2 * tiles} bytes are not the choice among {count} functions")
    bits = np.unpackbits(packed[2 * tiles :].numpy(), count=count).astype(bool)
    return torch.zeros(shape, dtype=torch.bool).masked_scatter(inside, torch.from_numpy(bits))


def _inside(sizes: Tensor, shape: Sequence[int]) -> Tensor:
    rows = torch.arange(shape[2])[:, None] < sizes[..., 0].unsqueeze(2)
    columns = torch.arange(shape[3])[:, None] < sizes[..., 1].unsqueeze(2)
    return rows[:, :, :, None] & columns[:, :, None]
