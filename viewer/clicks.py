"""Who gets the clicks: everybody who listens, or the one tool that asked for the next ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .layers.layer import Layer, Pick

if TYPE_CHECKING:
    import viser

OnPick = Callable[[Pick, "viser.ClientHandle"], None]


class Clicks:
    """At most one tool has the clicks for itself; when another claims them, the first is told that it lost them."""

    def __init__(self) -> None:
        self._owner: OnPick | None = None
        self._lost: Callable[[], None] | None = None

    def claim(self, owner: OnPick, lost: Callable[[], None]) -> None:
        """From now on clicks go to `owner` alone. lost: called when somebody else claims them."""
        before = self._lost if self._owner not in (None, owner) else None
        self._owner = None
        if before is not None:
            before()
        self._owner, self._lost = owner, lost

    def release(self, owner: OnPick) -> None:
        """`owner` wants no more clicks; nothing happens where it had none."""
        if self._owner == owner:
            self._owner = self._lost = None

    def listeners(self, everybody: Sequence[OnPick]) -> list[OnPick]:
        """Who is told of a click."""
        return list(everybody) if self._owner is None else [self._owner]


def first_hit(layers: Iterable[Layer], origin: NDArray[np.float64], direction: ArrayLike) -> Pick | None:
    """What the ray from `origin` (3,) along `direction` (3,), of any length, meets first of what is visible."""
    unit = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    found = [layer.pick(origin, unit) for layer in list(layers) if layer.visible]
    return min((hit for hit in found if hit is not None), key=lambda hit: hit.distance, default=None)
