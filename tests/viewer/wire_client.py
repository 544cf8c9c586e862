"""A client without a browser: it speaks viser's protocol, moves its camera and takes pictures, or takes none."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import msgspec.msgpack
import numpy as np
import viser
import zstandard
from PIL import Image
from viser import _messages
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from geokit.geometry import Cameras, look_at
from geokit.geometry.rotations import quaternion_from_matrix
from tests.viewer.browser import until


class WireClient:
    """Connects to `viewer` at once, with a canvas of `size` pixels, looking from view coordinates `eye` to the origin.

    polite: whether it says that it has taken a picture, as a page on the screen does. pictures: (kind, content) of all
    that came; content is None where the picture was taken away. on_picture: called for each.
    """

    def __init__(
        self,
        url: str,
        size: tuple[int, int] = (64, 48),
        eye: tuple[float, float, float] = (0.0, -5.0, 1.0),
        polite: bool = True,
        on_picture: Callable[[bytes | None], None] | None = None,
    ) -> None:
        self.size, self.polite, self.on_picture = size, polite, on_picture
        self.pictures: list[tuple[bytes | None, bytes | None]] = []
        self.notes: list[str] = []
        self.waiting: list[str] = []
        protocol = Subprotocol(f"viser-v{viser.__version__}")
        self._socket = connect(url.replace("http", "ws", 1), subprotocols=[protocol], max_size=None, compression=None)
        self.look(eye)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def look(self, eye: tuple[float, float, float], fov: float = 0.8) -> None:
        """Look from `eye` to the origin of view coordinates."""
        self.eye, self.fov = eye, fov
        import torch

        self.pose = look_at(torch.tensor([eye]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))[0]
        wxyz = quaternion_from_matrix(self.pose[:3, :3].T)
        self._send(
            _messages.ViewerCameraMessage(
                tuple(wxyz.tolist()), eye, fov, 0.01, 1000.0, self.size[1], self.size[0], (0.0, 0, 0), (0.0, 0, 1.0)
            )
        )

    def camera(self, viewer: Any) -> Cameras:
        """What it sees through, in the world."""
        wxyz = quaternion_from_matrix(self.pose[:3, :3].T).numpy()
        return viewer.frame.camera(wxyz, np.array(self.eye), self.fov, *self.size)

    def answer(self) -> None:
        """Say that all pictures that came were taken."""
        while self.waiting:
            self._send(_messages.LocalStorageGetItemResponseMessage(None, None, self.waiting.pop(0)))

    def picture(self) -> np.ndarray:
        """(H, W, 3) in [0, 1], the last picture."""
        content = self.pictures[-1][0]
        assert content is not None
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) / 255

    def sizes(self) -> list[tuple[int, int]]:
        """(width, height) of all pictures that came."""
        return [Image.open(io.BytesIO(content)).size for content, _ in list(self.pictures) if content]

    def rested(self, past: int = 0) -> np.ndarray:
        """Wait for a picture after the first `past` that is as large as the canvas and the last for a while."""

        def there() -> bool:
            count = len(self.pictures)
            if count <= past or self.pictures[-1][0] is None or self.picture().shape[1] != self.size[0]:
                return False
            time.sleep(0.4)
            return len(self.pictures) == count

        until(there, "no picture as large as the canvas came")
        return self.picture()

    def close(self) -> None:
        """Leave, as a closed tab does."""
        self._socket.close()
        self._reader.join(timeout=5)

    def vanish(self) -> None:
        """Leave without a word, as a lost network does."""
        self._socket.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        content = message.as_serializable_dict()
        self._socket.send(msgspec.msgpack.encode(content))

    def _read(self) -> None:
        unpack = zstandard.ZstdDecompressor()
        try:
            for raw in self._socket:
                assert isinstance(raw, bytes)
                length, packed = int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little")
                content = unpack.decompress(raw[16 : 16 + packed], max_output_size=length)
                for message in msgspec.msgpack.decode(content)["messages"]:
                    self._take(message)
        except (ConnectionClosed, OSError):
            return

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "BackgroundImageMessage":
            if message["rgb_data"] is None and not self.pictures:
                return  # every scene of viser begins so
            self.pictures.append((message["rgb_data"], message["depth_data"]))
            if self.on_picture is not None:
                self.on_picture(message["rgb_data"])
        elif message["type"] == "LocalStorageGetItemRequestMessage":
            self.waiting.append(message["request_uuid"])
            if self.polite:
                self.answer()
        elif message["type"] == "NotificationShowMessage":
            self.notes.append(message["props"]["body"])
