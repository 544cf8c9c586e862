"""Which splat touches which tile: the lists that the rasterizer walks."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, plain
from geokit.backend.projection_ops import check_size
from geokit.errors import InvalidInput

TILE = 16  # pixels
_MOST_ENTRIES = 2**31 - 1  # (splat, tile) pairs that 32-bit indices can count


def _bin(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """offsets (tiles + 1,), entries (I, 3) = id, slot, rows, first_slots (N + 1,); see cuda_ext/splatting/bin.h."""
    arrays = plain(means2d, conics, depths, amplitudes)
    n = len(depths)

    def integers(*size: int) -> Tensor:
        return torch.empty(size, dtype=torch.int32, device=means2d.device)

    reaches, counts = means2d.new_empty(n), integers(n)
    total = _native.bin_count(*arrays, width, height, reaches, counts)
    if total > _MOST_ENTRIES:
        raise InvalidInput(
            f"the splats touch {total:,} tiles of a {width} x {height} picture in all, more than {_MOST_ENTRIES:,}; "
            "render a smaller picture or fewer, smaller splats"
        )
    tiles = -(-width // TILE) * -(-height // TILE)
    offsets, entries, first_slots = integers(tiles + 1), integers(total, 3), integers(n + 1)
    _native.bin_fill(*arrays, width, height, reaches, counts, offsets, entries, first_slots)
    return offsets, entries, first_slots


_last_binning: tuple[tuple[Tensor, ...], tuple[object, ...], tuple[Tensor, Tensor, Tensor]] | None = None


def bin_once(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, waves: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`_bin`, remembered: the backward pass that follows a forward pass finds the lists made.

    The lists have a size that depends on the data, so they cannot be an output of the operator under torch.compile. The
    memory holds on to its inputs, so that equal addresses and versions mean equal values.
    """
    global _last_binning
    inputs = (means2d, conics, depths, opacities, waves)
    if any(t.is_inference() for t in inputs):  # these have no version; nothing comes back to them either
        return _bin(means2d, conics, depths, _amplitudes(opacities, waves), width, height)
    key = (width, height, *((t.data_ptr(), t._version, t.shape, t.stride()) for t in inputs))
    last = _last_binning
    if last is not None and last[1] == key:
        return last[2]
    found = _bin(means2d, conics, depths, _amplitudes(opacities, waves), width, height)
    _last_binning = tuple(t.detach() for t in inputs), key, found
    return found


def forget_binning() -> None:
    """Drop the remembered lists, and the tensors that they hold on to; for measurements of a first call."""
    global _last_binning
    _last_binning = None


def _amplitudes(opacities: Tensor, waves: Tensor) -> Tensor:
    """(N,) upper bound of alpha: opacity (1 + sum_k hypot(a_k, b_k))."""
    opacities, waves = opacities.detach(), waves.detach()
    return opacities * (1 + waves[..., 2:].norm(dim=-1).sum(-1)) if waves.shape[1] else opacities


def tile_intersections(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    """offsets (tiles + 1,) and splat_ids (I,), int32: the splats of each 16x16 tile, row-major, front to back."""
    check_tensor("means2d", means2d, ("N", 2), FLOATS)
    n, dtype = len(means2d), means2d.dtype
    check_tensor("conics", conics, (n, 3), dtype)
    check_tensor("depths", depths, (n,), dtype)
    check_tensor("amplitudes", amplitudes, (n,), dtype)
    check_size(width, height)
    offsets, entries, _ = _bin(means2d, conics, depths, amplitudes, width, height)
    return offsets, entries[:, 0].contiguous()


def count_pairs(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, waves: Tensor, width: int, height: int
) -> int:
    """Number of (splat, pixel) pairs that `rasterize` evaluates for this scene."""
    offsets, entries, _ = _bin(means2d, conics, depths, _amplitudes(opacities, waves), width, height)
    features, background = means2d.new_zeros(len(means2d), 1), means2d.new_zeros(1)
    pairs = torch.empty(len(offsets) - 1, dtype=torch.int64)
    image, transmittance = means2d.new_empty(height, width, 1), means2d.new_empty(height, width)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    _native.rasterize_forward(*arrays, offsets, entries, width, height, image, transmittance, None, pairs)
    return int(pairs.sum())
