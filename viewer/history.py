"""What was done, and how to take it back."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from .attributes import Attributes

_HELD = 2_000_000_000  # bytes of former shapes that are kept for undoing


@dataclass(eq=False)
class Edit:
    """what: was done. before: the layers that were changed, with what they had. back: gives that back to them."""

    what: str
    back: Callable[[Any], object]
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

    def push(self, what: str, back: Callable[[Any], object], before: Mapping[Any, Attributes]) -> None:
        """Remember `what` was done to layers, and that `back(before)` takes it back, without those that have gone."""
        self._done.append(Edit(what, back, dict(before)))
        while len(self._done) > 1 and self.held() > self._limit:
            del self._done[0]

    def undo(self) -> str | None:
        """Take the last edit back and return what it was; None where there is none. One that fails stays."""
        if not self._done:
            return None
        edit = self._done[-1]
        edit.back(edit.before)
        self._done.remove(edit)
        return edit.what

    def forget(self, layer: Hashable) -> None:
        """A layer is gone: edits that changed no other that is there can no longer be taken back."""
        for edit in self._done:
            edit.before.pop(layer, None)
        self._done = [edit for edit in self._done if edit.before]

    def held(self) -> int:
        """Bytes of the former shapes and of what went with them."""
        all_had = [had for edit in self._done for had in edit.before.values()]
        return sum(dict(found for had in all_had for found in _buffers(had)).values())


def _buffers(value: Any) -> Iterator[tuple[int, int]]:
    """(address, bytes) of all memory of tensors and arrays in attributes, and in the shapes among them."""
    if isinstance(value, Tensor):
        yield value.untyped_storage().data_ptr(), value.untyped_storage().nbytes()
    elif isinstance(value, np.ndarray):
        yield value.__array_interface__["data"][0], value.nbytes
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _buffers(one)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield from _buffers(vars(value))
