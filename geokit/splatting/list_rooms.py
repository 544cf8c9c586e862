"""Room for the tile lists of the steps of a training run on a GPU, so that none waits to learn how long they are."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import torch

from geokit.backend.tile_ops import ListRoom, lists_within
from geokit.splatting.reading import LateReading

_MARGIN = 1.5  # times the most that a view needed so far: the next may need more
_TIGHT = 1.2  # times that must be there, else the room grows
_LARGEST = 2**31 - 1  # that 32-bit indices count


class ListRooms:
    """The first step after a change of what is rendered makes lists of just the length they need, which is waited for.

    Those that follow have that much room and a margin. A view that needs more must not be learnt from; how much it
    needed is read without waiting, and the steps after that have room for it.
    """

    def __init__(self, device: torch.device) -> None:
        self._room: ListRoom | None = None
        self._rendered: Hashable = None
        self._known = 0  # the most entries that a view of what is rendered needed, as far as Python knows
        self._most = torch.zeros(1, dtype=torch.int64, device=device)  # as far as the device knows
        self._reading = LateReading()

    @contextmanager
    def within(self, rendered: Hashable) -> Iterator[ListRoom | None]:
        """One step, forward and backward, of what `rendered` describes; gives its room, None where lists are exact."""
        if rendered != self._rendered:
            self._start_over(rendered)
        self._learn()
        if self._room is None:
            exact = ListRoom.exact()
            with lists_within(exact):
                yield None
            self._begin(int(exact.needed))
            return
        self._room.needed.zero_()
        with lists_within(self._room):
            yield self._room
        torch.maximum(self._most, self._room.needed, out=self._most)
        self._reading.ask(self._most)

    def _start_over(self, rendered: Hashable) -> None:
        """What other pictures needed says nothing of these."""
        self._room, self._rendered, self._known = None, rendered, 0
        self._most.zero_()
        self._reading.forget()

    def _begin(self, needed: int) -> None:
        """After exact lists: room for as many; none were made on the CPU, or of a view that shows nothing."""
        self._known = needed
        if needed:
            self._make()

    def _learn(self) -> None:
        """Hear what the steps before needed, and give more room where that is too tight."""
        answer = self._reading.answer()
        if answer is None:
            return
        self._known = max(self._known, answer)
        if self._room is not None and (self._room.capacity or 0) < min(_TIGHT * self._known, _LARGEST):
            self._make()

    def _make(self) -> None:
        self._room = ListRoom(min(int(_MARGIN * self._known) + 1, _LARGEST), torch.zeros_like(self._most))
