"""What is drawn for one client, and when: small pictures while it moves, one as large as its canvas when it rests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .picture_wire import PictureWire

Step = Literal["draft", "full", "clear"]
REST = 0.15  # seconds without a movement
BUDGET = 0.06  # seconds for a draft
MOST_ON_THE_WAY = 2  # pictures: one is carried and shown while the next is drawn
_SHARES = (1.0, 0.84, 0.71, 0.59, 0.5, 0.42, 0.35)  # of the canvas' width and height
_FIXED = 0.4  # of the time does not depend on the number of pixels
_ROOM = 0.85  # a larger share is taken only where it needs less than this of the budget


@dataclass
class Resolution:
    """The share of the canvas' width and height that can be drawn in `BUDGET`, learnt from the times it took."""

    share: float = 0.5
    _seconds: float | None = None  # for the whole canvas

    def learn(self, share: float, seconds: float) -> None:
        """A picture of this `share` took so long."""
        whole = seconds / self.cost(share)
        self._seconds = whole if self._seconds is None else (self._seconds + whole) / 2
        for candidate in _SHARES:
            room = _ROOM if candidate > self.share else 1.0
            if self._seconds * self.cost(candidate) <= room * BUDGET:
                break
        self.share = candidate

    @staticmethod
    def cost(share: float) -> float:
        """The time of a picture of this share of the canvas, in that of the whole one."""
        return _FIXED + (1 - _FIXED) * share * share


@dataclass
class ClientStream:
    """One client. moved_at: when its camera or the scene changed last, on the clock of `now`.

    camera, scene: numbers that count the changes. drawn: those of the last picture, and whether it was a full one.
    """

    wire: PictureWire
    moved_at: float
    camera: int = 1
    resolution: Resolution = field(default_factory=Resolution)
    drawn: tuple[int, int] | None = None
    drawn_full: bool = False
    ranged: tuple[int, int] | None = None  # what the legend's range was taken from
    told: str = ""  # the last error that the client was told
    served_at: float = 0.0

    def next_step(self, scene: int, empty: bool, now: float) -> tuple[Step | None, float | None]:
        """What to do now; or None, and after how many seconds to ask again, None for when something happened."""
        if empty:
            return ("clear", None) if self.drawn is not None else (None, None)
        if self.wire.on_the_way >= MOST_ON_THE_WAY:
            return None, None
        rests_in = self.moved_at + REST - now
        if self.drawn != (self.camera, scene):
            return ("draft" if rests_in > 0 else "full"), None
        if self.drawn_full:
            return None, None
        return ("full", None) if rests_in <= 0 else (None, rests_in)

    def moved(self, now: float) -> None:
        """Its camera is another one."""
        self.camera += 1
        self.moved_at = now
