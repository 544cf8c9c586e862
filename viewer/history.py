"""What was done, and how to take it back."""

from collections.abc import Callable


class History:
    """Edits, the last one first out. Nothing is forgotten until the viewer ends: shapes share what did not change."""

    def __init__(self) -> None:
        self._done: list[tuple[str, Callable[[], None]]] = []

    def __len__(self) -> int:
        return len(self._done)

    @property
    def last(self) -> str | None:
        """What was done last, if anything."""
        return self._done[-1][0] if self._done else None

    def push(self, what: str, back: Callable[[], None]) -> None:
        """Remember `what` was done and how to take it `back`."""
        self._done.append((what, back))

    def undo(self) -> str | None:
        """Take the last edit back and return what it was; None where there is none."""
        if not self._done:
            return None
        what, back = self._done.pop()
        back()
        return what
