"""Which splat touches which tile: the lists that the rasterizer walks."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.backend.projection_ops import check_size
from geokit.errors import InvalidInput

TILE = 16  # pixels
_MOST_ENTRIES = 2**31 - 1  # (splat, tile) pairs that 32-bit indices can count
_REMEMBERED = 2  # threads whose last lists are remembered: one that trains, one that shows


def _bin(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """offsets (tiles + 1,), entries (I, 3) = id, slot, rows, first_slots (N + 1,); see cuda_ext/splatting/bin.h."""
    arrays = plain(means2d, conics, depths, amplitudes)
    n = len(depths)
    reaches, counts = means2d.new_empty(n), _integers(depths, n)
    total = _native.bin_count(*arrays, width, height, reaches, counts)
    _check_total(total, width, height)
    offsets, entries = _integers(depths, _tiles(width, height) + 1), _integers(depths, total, 3)
    first_slots = _integers(depths, n + 1)
    _native.bin_fill(*arrays, width, height, reaches, counts, offsets, entries, first_slots)
    return offsets, entries, first_slots


@dataclass(frozen=True)
class TileLists:
    """The lists on a GPU; within a `ListRoom` only the entries before offsets[-1] are filled in."""

    offsets: Tensor  # (tiles + 1,) int32: where the list of each tile starts, tiles in row-major order
    ids: Tensor  # (I,) int32: the splats of each tile, front to back; equal depths by index
    slots: Tensor | None  # (I,) int32: the place of each entry when entries are grouped by splat
    first_slots: Tensor | None  # (N + 1,) int32: where the slots of each splat start, in order of id


@dataclass(eq=False)
class ListRoom:
    """Room for lists whose length nobody waits for, on a GPU: see `lists_within`.

    capacity: entries of the lists, all of which are sorted, used or not; None: as many as are wanted, which is waited
    for. needed (1,) int64, on the GPU, without a capacity in main memory: the most entries that any lists in the room
    wanted. Both may be changed between renderings.
    """

    capacity: int | None
    needed: Tensor

    @classmethod
    def exact(cls) -> "ListRoom":
        """Lists of just the length they need, as without a room, and their length is known."""
        return cls(None, torch.zeros(1, dtype=torch.int64))

    def overflowed(self) -> Tensor:
        """(1,) bool, where `needed` is, asked without waiting: some lists did not fit."""
        return torch.zeros_like(self.needed, dtype=torch.bool) if self.capacity is None else self.needed > self.capacity


_room: ContextVar[ListRoom | None] = ContextVar("room for tile lists", default=None)


@contextmanager
def lists_within(room: ListRoom | None) -> Iterator[None]:
    """Lists made on a GPU inside are as long as the room, and their true length is not read, which would wait for the
    GPU; `room.needed` learns of it.

    Entries that do not fit are left out: those of the farthest splats of the whole picture, so all that is in front of
    them is right. None makes exact lists again. On the CPU lists are always exact, and `needed` stays as it is.
    """
    token = _room.set(room)
    try:
        yield
    finally:
        _room.reset(token)


def tile_lists(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int, slots: bool
) -> TileLists:
    """The lists on a GPU, which is the current one; waits for their length except `lists_within` a room.

    See cuda_ext/splatting/tile_lists.h.
    """
    arrays = plain(means2d, conics, depths, amplitudes)
    native, n, double = native_of(depths), len(depths), depths.dtype == torch.float64
    counts, *ids = (_integers(depths, n) for _ in range(3))
    keys = torch.empty(2, n, dtype=torch.int64 if double else torch.int32, device=depths.device)
    starts = torch.empty(n + 1, dtype=torch.int64, device=depths.device)
    scratch = _bytes(depths, native.order_scratch(n, double))
    order = ids[native.order_splats(*arrays, width, height, counts, keys, *ids, starts, scratch)]
    del counts, ids, keys, scratch

    room, tiles = _room.get(), _tiles(width, height)
    if room is None or room.capacity is None:
        capacity, needed, largest = int(starts[-1]), None, tiles - 1
    else:
        capacity, needed, largest = room.capacity, room.needed, tiles  # a tile past the last for entries not used
        _check_room(capacity, needed, depths.device)
    _check_total(capacity, width, height)
    bits = max(1, largest.bit_length())
    keys = torch.empty(2, capacity, dtype=torch.int16 if bits <= 16 else torch.int32, device=depths.device)
    values = [_integers(depths, capacity) for _ in range(2)]
    offsets, scratch = _integers(depths, tiles + 1), _bytes(depths, native.list_scratch(n, capacity, bits))
    first_slots, ids_of_slots = (_integers(depths, n + 1), _integers(depths, capacity)) if slots else (None, None)
    sorted_values = native.make_lists(
        *arrays, width, height, order, starts, bits, needed, keys, *values, offsets, first_slots, ids_of_slots, scratch
    )
    found, other = values[sorted_values], values[1 - sorted_values]
    return TileLists(offsets, other if slots else found, found if slots else None, first_slots)


@dataclass(frozen=True)
class _Binning:
    """Lists, and what they were made of: held on to, so that equal addresses and versions mean equal values."""

    inputs: tuple[Tensor, ...]
    key: tuple[object, ...]
    lists: Any
    room: ListRoom | None = None


_last_binnings: dict[int, _Binning] = {}  # of the threads that made them, the newest last
_remembering = threading.Lock()  # held where that is read or changed, not while lists are made


def _once(
    kind: str,
    make: Callable[..., Any],
    inputs: tuple[Tensor, ...],
    size: tuple[int, int],
    serves: Callable[[_Binning], bool] = lambda last: True,
    room: ListRoom | None = None,
) -> Any:
    """What `make` makes of `inputs` (means2d, conics, depths, opacities, waves), remembered: the backward pass that
    follows a forward pass finds it made, in whatever thread it runs and whatever another thread renders in between.

    The lists have a size that depends on the data, so they cannot be an output of the operator under torch.compile.
    """
    if any(t.is_inference() for t in inputs):  # these have no version; nothing comes back to them either
        return make(*inputs[:3], _amplitudes(*inputs[3:]), *size)
    key = (kind, *size, *((t.data_ptr(), t._version, t.shape, t.stride()) for t in inputs))
    thread = threading.get_ident()
    with _remembering:
        found = next((last.lists for last in _last_binnings.values() if last.key == key and serves(last)), None)
        if found is not None:
            return found
        ended = _last_binnings.keys() - {living.ident for living in threading.enumerate()}
        for gone in (thread, *ended):  # their memory serves the new ones
            _last_binnings.pop(gone, None)
    found = make(*inputs[:3], _amplitudes(*inputs[3:]), *size)
    with _remembering:
        _last_binnings[thread] = _Binning(tuple(t.detach() for t in inputs), key, found, room)
        while len(_last_binnings) > _REMEMBERED:
            del _last_binnings[next(iter(_last_binnings))]
    return found


def bin_once(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, waves: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`_bin`, remembered for the backward pass."""
    return _once("cpu", _bin, (means2d, conics, depths, opacities, waves), (width, height))


def lists_once(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    waves: Tensor,
    width: int,
    height: int,
    slots: bool,
    again: bool = False,
) -> TileLists:
    """`tile_lists`, remembered for the backward pass; lists with slots also serve where none are asked for.

    again: for a backward pass, which takes the lists of its forward pass whatever room they were made in. It may run in
    a thread of its own, which does not know the room; without `again` lists of a room serve in that room only.
    """
    room = _room.get()
    limited = None if room is None or room.capacity is None else room

    def serves(last: _Binning) -> bool:
        same_room = limited is not None and last.room is limited and len(last.lists.ids) == limited.capacity
        return (last.lists.slots is not None or not slots) and (again or last.room is None or same_room)

    inputs = (means2d, conics, depths, opacities, waves)
    found = _once("gpu", functools.partial(tile_lists, slots=slots), inputs, (width, height), serves, limited)
    if room is not None and room.capacity is None:  # remembered ones count too
        room.needed.clamp_(min=len(found.ids))
    return found


def forget_binning() -> None:
    """Drop the remembered lists, and the tensors that they hold on to; for measurements of a first call."""
    with _remembering:
        _last_binnings.clear()


def _amplitudes(opacities: Tensor, waves: Tensor) -> Tensor:
    """(N,) upper bound of alpha: opacity (1 + sum_k hypot(a_k, b_k))."""
    opacities, waves = opacities.detach(), waves.detach()
    return opacities * (1 + waves[..., 2:].norm(dim=-1).sum(-1)) if waves.shape[1] else opacities


def _lists_of_gpu(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    with lists_within(None):
        lists = tile_lists(means2d, conics, depths, amplitudes, width, height, slots=False)
    return lists.offsets, lists.ids


@custom_op("geokit::tile_intersections", cuda=_lists_of_gpu)
def _tile_intersections(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    offsets, entries, _ = _bin(means2d, conics, depths, amplitudes, width, height)
    return offsets, entries[:, 0].contiguous()


@_tile_intersections.register_fake
def _(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    ids = torch.empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int32, device=depths.device)
    return _integers(depths, _tiles(width, height) + 1), ids


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
    return _tile_intersections(means2d, conics, depths, amplitudes, width, height)


def count_pairs(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, waves: Tensor, width: int, height: int
) -> int:
    """Number of (splat, pixel) pairs that `rasterize` evaluates for this scene."""
    amplitudes, on_gpu = _amplitudes(opacities, waves), depths.device.type != "cpu"
    make = tile_intersections if on_gpu else _bin
    lists = make(means2d, conics, depths, amplitudes, width, height)[:2]
    features, background = means2d.new_zeros(len(means2d), 1), means2d.new_zeros(1)
    pairs = torch.empty(len(lists[0]) - 1, dtype=torch.int64, device=depths.device)
    image, transmittance = means2d.new_empty(height, width, 1), means2d.new_empty(height, width)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    ends = [_integers(depths, height, width)] if on_gpu else []
    with torch.cuda.device(depths.device) if on_gpu else nullcontext():
        native_of(depths).rasterize_forward(*arrays, *lists, width, height, image, transmittance, *ends, None, pairs)
    return int(pairs.sum())


def _tiles(width: int, height: int) -> int:
    return -(-width // TILE) * -(-height // TILE)


def _integers(like: Tensor, *size: int) -> Tensor:
    return torch.empty(size, dtype=torch.int32, device=like.device)


def _bytes(like: Tensor, count: int) -> Tensor:
    return torch.empty(count, dtype=torch.uint8, device=like.device)


def _check_total(total: int, width: int, height: int) -> None:
    if total > _MOST_ENTRIES:
        raise InvalidInput(
            f"the splats touch {total:,} tiles of a {width} x {height} picture in all, more than {_MOST_ENTRIES:,}; "
            "render a smaller picture or fewer, smaller splats"
        )


def _check_room(capacity: int, needed: Tensor, device: torch.device) -> None:
    check_tensor("the room's needed", needed, (1,), torch.int64)
    if not 1 <= capacity <= _MOST_ENTRIES:
        raise InvalidInput(f"a room holds from 1 to {_MOST_ENTRIES:,} entries, got {capacity:,}")
    if needed.device != device:
        raise InvalidInput(f"the room counts on {needed.device}, but the splats are on {device}")
