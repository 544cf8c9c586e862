"""The edges of a graph, grouped once by what their sums run over."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.errors import InvalidInput


def _group_on_gpu(keys: Tensor, groups: int, name: str) -> tuple[Tensor, Tensor]:
    (keys,) = plain(keys)
    count = len(keys)
    if max(count, groups) >= 2**31:
        raise InvalidInput(
            f"{name} must be fewer than 2^31 in fewer than 2^31 groups on a GPU, got {count} in {groups}"
        )
    native = native_of(keys)
    offsets, order = keys.new_empty(groups + 1), torch.empty_like(keys)
    numbers = keys.new_empty(4, count, dtype=torch.int32)
    room = keys.new_empty(native.group_bytes(count, groups), dtype=torch.uint8)
    wrong = keys.new_full((1,), count, dtype=torch.int32)
    native.group(keys, numbers, room, offsets, order, wrong)
    place = int(wrong)
    if place < count:
        raise _out_of_range(name, groups, place, int(keys[place]))
    return offsets, order


@custom_op("geokit::group_edges", cuda=_group_on_gpu)
def _group(keys: Tensor, groups: int, name: str) -> tuple[Tensor, Tensor]:
    (keys,) = plain(keys)
    offsets, order = keys.new_empty(groups + 1), torch.empty_like(keys)
    wrong = _native.group(keys, offsets, order)
    if wrong >= 0:
        raise _out_of_range(name, groups, wrong, int(keys[wrong]))
    return offsets, order


@_group.register_fake
def _(keys: Tensor, groups: int, name: str) -> tuple[Tensor, Tensor]:
    return keys.new_empty(groups + 1), torch.empty_like(keys, memory_format=torch.contiguous_format)


def _out_of_range(name: str, groups: int, place: int, value: int) -> InvalidInput:
    return InvalidInput(f"{name} must be at least 0 and below {groups}, but {name}[{place}] is {value}")


def group_edges(keys: Tensor, groups: int, name: str = "keys") -> tuple[Tensor, Tensor]:
    """Where each group begins, offsets (groups + 1,), and the edges (E,) group by group, ascending in each.

    keys (E,) int64 holds the group of every edge. Raises `InvalidInput`, with `name` for the keys, for another shape or
    dtype and for a key that is not in [0, groups).
    """
    check_tensor(name, keys, ("E",), torch.int64)
    if groups < 0:
        raise InvalidInput(f"the number of groups of {name} must be at least 0, got {groups}")
    return _group(keys, groups, name)


@dataclass(frozen=True)
class EdgeGroups:
    """E edges between N senders and M receivers, each with one of K rows of weights: made by `edge_groups`.

    senders, receivers and rows are (E,) int64; a grouping is what `group_edges` returns for them.
    """

    senders: Tensor
    receivers: Tensor
    rows: Tensor
    by_sender: tuple[Tensor, Tensor]
    by_receiver: tuple[Tensor, Tensor]
    by_row: tuple[Tensor, Tensor]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """N, M and K."""
        n, m, k = (len(offsets) - 1 for offsets, _ in (self.by_sender, self.by_receiver, self.by_row))
        return n, m, k

    def __len__(self) -> int:
        return len(self.senders)

    def __repr__(self) -> str:
        n, m, k = self.sizes
        return f"EdgeGroups({len(self)} edges from {n} senders to {m} receivers, {k} rows of weights)"


def edge_groups(
    senders: Tensor, receivers: Tensor, rows: Tensor, sender_count: int, receiver_count: int, row_count: int
) -> EdgeGroups:
    """The edges from senders (E,) to receivers (E,) with the rows (E,) of their weights, all int64, grouped by each.

    Made once for a graph, and shared by all its layers. Raises `InvalidInput` for other shapes, dtypes or devices, and
    for an index that is not below its count.
    """
    check_tensor("senders", senders, ("E",), torch.int64)
    for name, value in (("receivers", receivers), ("rows", rows)):
        check_tensor(name, value, tuple(senders.shape), torch.int64)
        if value.device != senders.device:
            raise InvalidInput(f"{name} must be on {senders.device} as the senders are, got {value.device}")
    return EdgeGroups(
        senders,
        receivers,
        rows,
        by_sender=group_edges(senders, sender_count, "senders"),
        by_receiver=group_edges(receivers, receiver_count, "receivers"),
        by_row=group_edges(rows, row_count, "rows"),
    )
