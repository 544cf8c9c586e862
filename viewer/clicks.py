"""Who gets the clicks: everybody who listens, or the one tool that asked for the next ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import viser

    from .layers.layer import Pick

OnPick = Callable[["Pick", "viser.ClientHandle"], None]


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
