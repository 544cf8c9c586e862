"""Arrays as the text of a page: laid out to compress well, deflated, in base64."""

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geokit.pipelines.observer import Observer

_LINE = 48 * 1024  # bytes a line of base64 stands for: a multiple of three, so that each line can be read by itself
_BLOCK = 1 << 22  # bytes that are compressed at once


class Pack:
    """Arrays in the order in which they were added. `listing` says what the page needs to find them again.

    Numbers of several bytes are stored as planes, all first bytes, then all second ones, ...: their exponents and high
    bytes are alike, which deflate can use only where they lie side by side. Index arrays are stored as differences.
    """

    def __init__(self) -> None:
        self.listing: list[dict[str, Any]] = []
        self._blocks: list[bytes] = []

    def __len__(self) -> int:
        """Bytes, not compressed."""
        return sum(len(block) for block in self._blocks)

    def add(self, values: NDArray[Any]) -> int:
        """The number by which the page knows the array; its shape is flattened."""
        return self._add(np.ascontiguousarray(values).reshape(-1), False)

    def add_indices(self, values: NDArray[np.int64]) -> int:
        """Whole numbers from 0 to 2^31, neighbours alike: the page gets them as uint32."""
        steps = np.diff(values.reshape(-1).astype(np.int64), prepend=0)
        return self._add(np.where(steps < 0, -2 * steps - 1, 2 * steps).astype(np.uint32), True)

    def _add(self, values: NDArray[Any], steps: bool) -> int:
        planes = values.view(np.uint8).reshape(len(values), values.itemsize).T
        self.listing.append({"type": values.dtype.name, "count": len(values), "steps": steps})
        self._blocks.append(planes.tobytes())
        return len(self.listing) - 1

    def lines(self, observer: Observer | None = None) -> Iterator[str]:
        """Base64 lines of the deflated bytes."""
        whole, observer = b"".join(self._blocks), observer or Observer()
        squeeze, rest = zlib.compressobj(6), b""
        for start in range(0, len(whole), _BLOCK):
            observer.count("compressing", start // _BLOCK, -(-len(whole) // _BLOCK))
            rest += squeeze.compress(whole[start : start + _BLOCK])
            ready = len(rest) // _LINE * _LINE
            yield from _encoded(rest[:ready])
            rest = rest[ready:]
        yield from _encoded(rest + squeeze.flush())


def _encoded(content: bytes) -> Iterator[str]:
    for start in range(0, len(content), _LINE):
        yield base64.b64encode(content[start : start + _LINE]).decode("ascii")
