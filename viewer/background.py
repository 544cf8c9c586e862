"""Work that takes longer than a click, beside the server."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer

_PATIENCE = 1.0  # seconds until a client is told that something is being computed


@dataclass(frozen=True)
class _Job:
    what: str
    work: Callable[[], Any]
    done: Callable[[Any], None]
    client: viser.ClientHandle | None
    failed: Callable[[], None] | None = None


class Background:
    """One thread that does what was asked for last; what was asked before and has not begun is forgotten.

    So a slider that is dragged never makes a queue. every: do all that was asked for, one after the other, as of
    clicks each of which counts. The scene is not locked while the work is done, only while its result is shown, and
    everybody can go on: so the work must have all it needs from the scene before it begins.
    """

    def __init__(self, viewer: Viewer, every: bool = False) -> None:
        self._viewer, self._lock, self._every = viewer, threading.Lock(), every
        self._waiting: deque[_Job] = deque(maxlen=None if every else 1)  # a full one loses its oldest
        self._running = False
        self._idle = threading.Event()
        self._idle.set()

    def ask(
        self,
        what: str,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        client: viser.ClientHandle | None = None,
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Do `work` in the background and show its result by `done`, which runs under the viewer's lock.

        what: is computed, for whom it takes long. Errors become a sentence for the client; `failed` is called after it,
        unless something else was asked for by then.
        """
        with self._lock:
            self._waiting.append(_Job(what, work, done, client, failed))
            self._idle.clear()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="geokit viewer work", daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Until nothing is left to do; whether that came within the time."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._viewer.closed:
                    self._waiting.clear()
                    self._running = False
                    self._idle.set()
                    return
                job = self._waiting.popleft()
            self._do(job)

    def _do(self, job: _Job) -> None:
        said = _Said(self._viewer, job)
        try:
            result = job.work()
        except Exception as error:
            problem = error

            def fail() -> None:
                raise problem

            self._show(fail, job)
            with self._lock:
                outdone = bool(self._waiting) and not self._every
            if job.failed is not None and not outdone:
                self._show(job.failed, job)
        else:
            self._show(lambda: job.done(result), job)
        finally:
            said.over()

    def _show(self, action: Callable[[], None], job: _Job) -> None:
        """Under the lock, unless the viewer was closed in the meantime."""
        if not self._viewer.closed:
            self._viewer.safely(action, job.client)


class _Said:
    """The note that something is being computed, for those who wait longer than a moment."""

    def __init__(self, viewer: Viewer, job: _Job) -> None:
        self._viewer, self._job, self._lock = viewer, job, threading.Lock()
        self._notes: list[tuple[int, Any]] = []
        self._over = False
        self._timer = threading.Timer(_PATIENCE, self._say)
        self._timer.daemon = True
        self._timer.start()

    def _say(self) -> None:
        with self._lock:
            if self._over:
                return
            there = self._viewer.server.get_clients()
            chosen = there if self._job.client is None else {self._job.client.client_id: self._job.client}
            for number, client in chosen.items():
                if number in there:
                    note = client.add_notification("Computing", self._job.what, loading=True, with_close_button=False)
                    self._notes.append((number, note))

    def over(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            there = self._viewer.server.get_clients()
            for number, note in self._notes:
                if number in there:
                    note.remove()
