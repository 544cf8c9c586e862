"""Room for the tile lists of the steps of a training run on a GPU, so that none waits to learn how long they are."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from geokit.backend import tile_ops
from geokit.splatting.reading import LateReading

_MARGIN = 1.5  # times the most that a view needed so far: the next may need more
_TIGHT = 1.2  # times that must be there, else the room grows
_LARGEST = 2**31 - 1  # that 32-bit indices count


class ListRooms:
    """The first step after a change of what is rendered makes lists of just the length they need, which is waited for.

    Those that follow have that much room and a margin. A view that needs more must not be learnt from; how much it
    needed is read without waiting, and the steps after that have room for it.
    """

    def __init__(self) -> None:
        self._room: Any = None  # tile_ops.ListRoom
        self._rendered: Hashable = None
        self._known = 0  # the most entries that a view needed, as far as Python knows
        self._most: Tensor | None = None  # as far as the device knows
        self._reading = LateReading()

    @contextmanager
    def within(self, rendered: Hashable) -> Iterator[Any]:
        """One step, forward and backward, of what `rendered` describes; gives its room, None where lists are exact."""
        if rendered != self._rendered:
            self._room, self._rendered = None, rendered
        self._learn()
        if self._room is None:
            yield None
            self._begin()
            return
        assert self._most is not None
        self._room.needed.zero_()
        with tile_ops.lists_within(self._room):
            yield self._room
        torch.maximum(self._most, self._room.needed, out=self._most)
        self._reading.ask(self._most)

    def _begin(self) -> None:
        """After exact lists: room for as many."""
        ids = tile_ops.last_ids() if hasattr(tile_ops, "ListRoom") else None
        if ids is None:
            return
        if self._most is None:
            self._most = torch.zeros(1, dtype=torch.int64, device=ids.device)
        self._known = max(self._known, len(ids))
        self._make(ids.device)

    def _learn(self) -> None:
        """Hear what the steps before needed, and give more room where that is too tight."""
        answer = self._reading.answer()
        if answer is None:
            return
        self._known = max(self._known, answer)
        if self._room is not None and self._room.capacity < min(_TIGHT * self._known, _LARGEST):
            self._make(self._room.needed.device)

    def _make(self, device: torch.device) -> None:
        capacity = min(int(_MARGIN * self._known) + 1, _LARGEST)
        self._room = tile_ops.ListRoom(capacity, torch.zeros(1, dtype=torch.int64, device=device))
