"""What was done, and how to take it back."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .attributes import Attributes

_HELD = 2_000_000_000  # bytes of former shapes that are kept for undoing


@dataclass
class Edit:
    """what: was done. back: takes it back. before: the layers that were changed, with what they had."""

    what: str
    back: Callable[[], object]
    before: dict[Hashable, Attributes]


class History:
    """Edits, the last one first out. limit: bytes of former shapes; beyond it the oldest edits are forgotten, never the
    last one. What shapes share (a texture, say) counts once."""

    def __init__(self, limit: int = _HELD) -> None:
        self._done: list[Edit] = []
        self._limit = limit

    def __len__(self) -> int:
        return len(self._done)

    @property
    def last(self) -> str | None:
        """What was done last, if anything."""
        return self._done[-1].what if self._done else None

    def push(self, what: str, back: Callable[[], object], before: Mapping[Any, Attributes]) -> None:
        """Remember `what` was done, how to take it `back`, and the changed layers with what they had `before`."""
        self._done.append(Edit(what, back, dict(before)))
        while len(self._done) > 1 and self.held() > self._limit:
            del self._done[0]

    def undo(self) -> str | None:
        """Take the last edit back and return what it was; None where there is none."""
        if not self._done:
            return None
        edit = self._done.pop()
        edit.back()
        return edit.what

    def forget(self, layer: Hashable) -> None:
        """A layer is gone: edits that changed nothing else can no longer be taken back."""
        self._done = [edit for edit in self._done if set(edit.before) != {layer}]

    def held(self) -> int:
        """Bytes of the former shapes."""
        shapes = [shape for edit in self._done for had in edit.before.values() for shape in had.values()]
        parts = [part for shape in shapes for part in getattr(shape, "__dict__", {}).values()]
        storages = [part.untyped_storage() for part in parts if isinstance(part, Tensor)]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
