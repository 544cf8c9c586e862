"""Pictures on their way to one browser, which says when it has taken each.

viser has no acknowledgement, but the page answers a question about its local storage, and it takes messages in order:
the question that follows a picture is answered once the picture was taken. So nothing queues up on a slow line, nor in
a page that is busy.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from viser import _messages

if TYPE_CHECKING:
    import viser

_KEY = "picture taken"  # of the question; nothing is ever stored
_DEPTH_STEP = 1e-5  # view units in one unit of the 24 bits that the page reads
_COARSE = 32  # of those units are told apart: fine enough to say what is in front, and the picture stays small
FARTHEST = (2**24 - 1) * _DEPTH_STEP


class PictureWire:
    """Sends pictures to a client. taken: called (from the server's thread) for each that the page has taken."""

    def __init__(self, client: viser.ClientHandle, taken: Callable[[], None]) -> None:
        self._client, self._taken = client, taken
        self._connection = client._websock_connection
        self._numbers = itertools.count()
        self._waiting: set[str] = set()
        self._connection.register_handler(_messages.LocalStorageGetItemResponseMessage, self._answered)

    @property
    def on_the_way(self) -> int:
        """Pictures that the page has not taken."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """Whether the client is gone."""
        return self._connection.get_message_buffer().done

    def send(self, picture: bytes, depth: bytes | None = None) -> None:
        """A .jpg, behind everything in the scene; or where it has a depth (.png of `depth_png`), among it."""
        question = f"{_KEY} {next(self._numbers)}"
        self._waiting.add(question)
        self._push(
            _messages.BackgroundImageMessage("jpeg", picture, depth),
            _messages.LocalStorageGetItemRequestMessage(key=_KEY, request_uuid=question),
        )

    def clear(self) -> None:
        """Take the picture away."""
        self._push(_messages.BackgroundImageMessage("jpeg", None, None))

    def _push(self, *messages: _messages.Message) -> None:
        """On the server's own thread: from another one viser wakes its sender unsafely, and now and then fails."""
        with contextlib.suppress(RuntimeError):  # the server has stopped
            self._connection._state.event_loop.call_soon_threadsafe(self._push_here, messages)

    def _push_here(self, messages: tuple[_messages.Message, ...]) -> None:
        if self.closed:
            return
        with self._client.atomic():
            for message in messages:
                self._connection.queue_message(message)
        self._client.flush()

    def _answered(self, _: int, message: _messages.LocalStorageGetItemResponseMessage) -> None:
        if message.request_uuid in self._waiting:
            self._waiting.discard(message.request_uuid)
            self._taken()


def jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """(H, W, 3) as a .jpg."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def depth_png(depth: NDArray[np.float32]) -> bytes:
    """(H, W) depth in view units as the page reads it: 24 bits in steps of 1e-5, red the highest, blue the lowest."""
    steps = (depth / (_DEPTH_STEP * _COARSE) + 0.5).clip(0, (2**24 - 1) // _COARSE).astype(np.uint32) * _COARSE
    parts = steps.astype("<u4").view(np.uint8).reshape(*depth.shape, 4)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(parts[..., 2::-1])).save(file, "PNG", compress_level=1)
    return file.getvalue()
