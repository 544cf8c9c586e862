"""Small copies of a capture's photographs, made by a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import GeokitError
from geokit.io import Capture

from .words import plain

if TYPE_CHECKING:
    import viser

LONGEST = 256  # pixels of the longer side


class Thumbnails:
    """The photographs of a capture as their pinhole cameras saw them, at most `LONGEST` pixels wide and high."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture.at_most(LONGEST)
        self._made: dict[int, NDArray[np.uint8]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.wanted = threading.Event()  # there is somebody to see them

    def __len__(self) -> int:
        return len(self._made)

    def get(self, i: int) -> NDArray[np.uint8] | None:
        """(H, W, 3) of photograph `i`, None while it is not there."""
        return self._made.get(i)

    def begin(self, gui: viser.GuiApi, viewer: Any, arrived: Callable[[int], None]) -> None:
        """Make those that are missing once a browser is there, with a progress bar in the folder that is open;
        `arrived(i)` is called with the viewer's lock held."""
        if len(self) == len(self._capture) or (self._thread is not None and self._thread.is_alive()):
            return
        bar = gui.add_progress_bar(0.0)
        note = gui.add_markdown("", visible=False)
        viewer.on_close(self.stop)
        viewer.server.on_client_connect(lambda _: self.wanted.set())

        def work() -> None:
            self.wanted.wait()
            problems = self._make(bar, viewer, arrived)
            if self._stop.is_set():
                return
            bar.visible = False
            if problems:
                more = f", and {len(problems) - 1} more like it" if len(problems) > 1 else ""
                note.content, note.visible = plain(f"{problems[0]}{more}"), True

        self._thread = threading.Thread(target=work, name="thumbnails", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Make no more."""
        self._stop.set()
        self.wanted.set()

    def wait(self) -> None:
        """Until the thread is done."""
        if self._thread is not None:
            self._thread.join()

    def _make(self, bar: Any, viewer: Any, arrived: Callable[[int], None]) -> list[str]:
        """The sentences about photographs that cannot be read."""
        problems, total = [], len(self._capture)
        for i in range(total):
            if self._stop.is_set():
                break
            try:
                if i not in self._made:
                    self._made[i] = (self._capture.photograph(i) * 255).round().to(torch.uint8).numpy()
                    self._capture.forget()
            except (GeokitError, OSError, MemoryError) as error:
                problems.append(str(error) or "there is not enough memory for the photographs")
                continue
            with viewer.lock:
                arrived(i)
            bar.value = 100 * (i + 1) / total
        return problems
