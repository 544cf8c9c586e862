"""The button that gives a user the scene as a page."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from geokit.errors import InvalidInput

from ..layers.layer import Layer
from .export import ENDING, page_html, title_of

if TYPE_CHECKING:
    import viser

    from ..viewer import Viewer

_LONGEST = 60  # characters of a file's name


class PageButton:
    """Sends the page to the browser of whoever asks, seen as it is seen there. Others work on while it is made."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        with viewer.tab("Save"):
            self.button = viewer.server.gui.add_button(
                "Save this page",
                hint="one file that opens in any browser, without geokit or a network; hidden layers are switched off",
            )
        viewer.guarded(self.button)(self._start)

    def _start(self, event: Any) -> None:
        client: viser.ClientHandle | None = event.client
        if client is None:
            return
        viewer, layers = self.viewer, list(self.viewer.layers.values())
        if not layers or viewer.frame is None:
            raise InvalidInput("there is nothing to save yet; add a layer first")
        camera, frame, up = viewer.camera_of(client), viewer.frame, viewer.up
        reach = np.asarray(client.camera.look_at, np.float64) - np.asarray(client.camera.position, np.float64)
        distance = max(float(np.linalg.norm(reach)), 1e-6) / frame.scale
        self.button.disabled = True

        def send() -> None:
            try:
                title = title_of(layers)
                text = page_html(layers, frame, camera, title, up=up, distance=distance)
                client.send_file_download(file_name(layers), text.encode(), save_immediately=True)
            finally:
                self.button.disabled = False

        self.thread = threading.Thread(target=_quietly, args=(viewer, send, client), daemon=True)
        self.thread.start()


def _quietly(viewer: Viewer, send: Any, client: viser.ClientHandle) -> None:
    """Outside of the viewer's lock: a large scene takes seconds."""
    try:
        send()
    except Exception as error:  # said in the words that the viewer has for it
        failure = error

        def fail() -> None:
            raise failure

        viewer.safely(fail, client)


def file_name(layers: list[Layer]) -> str:
    """A name that every system takes, from the names of the layers."""
    letters = "".join(c if c.isalnum() or c in " -_.," else "_" for c in title_of(layers))
    return (letters.strip(" .")[:_LONGEST].strip(" .") or "scene") + ENDING
