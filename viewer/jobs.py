"""Long work beside the scene: with progress, and a way to stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from geokit.errors import InvalidInput

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer


class Stopped(Exception):
    """The user stopped a job."""


class Jobs:
    """At most one job at a time. started, ended: called around every job, in its thread."""

    def __init__(self, viewer: Viewer, started: Callable[[], None], ended: Callable[[], None]) -> None:
        self._viewer, self._started, self._ended = viewer, started, ended
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        viewer.on_close(self.stop)

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None], client: viser.ClientHandle | None) -> None:
        """Do `work` in a thread of its own; what goes wrong becomes a sentence for the client.

        Raises `InvalidInput` while another job is under way.
        """
        if self.running:
            raise InvalidInput("the one before is not finished yet; wait for it, or cancel it")
        self._stop.clear()

        def run() -> None:
            try:
                self._started()
                self._viewer.safely(lambda: self._until_stopped(work, client), client, locked=False)
            finally:
                self._ended()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Called by the work between its steps: raises `Stopped` when the user wants no more of it."""
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the user wants the job to go on."""
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped

    def stop(self, wait: bool = True) -> None:
        """Ask the job to stop, and wait until it has. Does nothing without one."""
        self._stop.set()
        thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)

    def _until_stopped(self, work: Callable[[], None], client: viser.ClientHandle | None) -> None:
        try:
            work()
        except Stopped:
            return
