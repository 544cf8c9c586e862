"""What a client leaves behind when it goes."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer

_MOMENT = 10.0  # seconds in which others may leave too


class Departures:
    """Frees the memory of connections that have ended.

    A connection is a knot of tasks and buffers, up to a megabyte, that only Python's collector of cycles unties. That
    runs once a quarter of all objects is new; beside those of torch, a hundred connections are few.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._left, self._closed = threading.Event(), threading.Event()
        viewer.server.on_client_disconnect(self._gone)
        viewer.on_close(self.close)
        threading.Thread(target=self._run, name="geokit departures", daemon=True).start()

    def close(self) -> None:
        """Free no more."""
        self._closed.set()
        self._left.set()

    async def _gone(self, _: viser.ClientHandle) -> None:
        self._left.set()

    def _run(self) -> None:
        while self._left.wait() and not self._closed.wait(_MOMENT):
            self._left.clear()
            if gc.isenabled():
                gc.collect()
