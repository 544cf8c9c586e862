"""A flight through the scene: views, a preview in the page, and a file of cameras."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geokit.errors import InvalidInput
from geokit.geometry import Cameras
from geokit.pipelines.camera_files import save_cameras

from ..jobs import Jobs
from ..turning import turned_shape
from .path_frames import PathViews
from .places import free_path, typed_path
from .video_controls import VideoControls

if TYPE_CHECKING:
    import viser

    from ..viewer import Viewer

_PREVIEW = 20.0  # frames a second in the page
_NONE = "none"


class CameraPathTool:
    """Views are added one by one; the flight between them is smooth, can be watched, saved and made a video of."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.path = PathViews()
        self._nodes: list[Any] = []
        self._jobs = Jobs(viewer, lambda: self._previewing(True), lambda: self._previewing(False))
        gui = viewer.server.gui
        with viewer.tab("Camera"), gui.add_folder("Camera path"):
            self.add = gui.add_button("Add this view")
            self.choice = gui.add_dropdown("View", (_NONE,), visible=False)
            self.actions = gui.add_button_group(
                "", ("Look", "↑", "↓", "Remove"), visible=False, hint="↑ earlier, ↓ later"
            )
            self.seconds = gui.add_number("Seconds", 6.0, min=0.1, max=3600.0, step=0.5)
            self.loop = gui.add_checkbox("Back to the start", False)
            self.shown = gui.add_checkbox("Show the path", True)
            self.preview = gui.add_button("Preview", disabled=True)
            with gui.add_folder("File", expand_by_default=False):
                self.file = gui.add_text("Name", str(free_path(Path.cwd(), "camera_path", ".json")))
                self.replace = gui.add_checkbox("Replace the file", False)
                self.save = gui.add_button("Save", hint="for geokit render --cameras FILE")
                self.load = gui.add_button("Load")
        self.video = VideoControls(viewer, self)
        viewer.guarded(self.add)(lambda event: self.append(viewer.camera_of(event.client)))
        viewer.guarded(self.actions)(self._act)
        viewer.guarded(self.shown, self.loop)(lambda _: self.redraw())
        viewer.guarded(self.preview)(self._preview)
        viewer.guarded(self.save)(self._save)
        viewer.guarded(self.load)(self._load)

    def append(self, view: Cameras) -> None:
        """Add one camera of the world at the end of the path."""
        self.path.views.append(view)
        self._list(len(self.path) - 1)

    def frames(self, size: tuple[int, int], fps: float) -> Cameras:
        """The cameras of the flight for pictures of a size (width, height)."""
        return self.path.frames(size, float(self.seconds.value), fps, self.loop.value)

    def redraw(self) -> None:
        """Draw the path in the scene, if it is wanted."""
        for node in self._nodes:
            node.remove()
        self._nodes = self.path.draw(self._viewer, self.loop.value) if self.shown.value else []

    def moved(self, matrix: Any) -> None:
        """The shapes were moved by a rigid (4, 4); so are the views."""
        self.path.views = [turned_shape(view, matrix) for view in self.path.views]
        self.redraw()

    def fly(self, client: viser.ClientHandle) -> None:
        """Move a client's camera along the path, in real time, until it ends or is stopped."""
        camera = client.camera
        frames = self.frames((max(camera.image_width, 1), max(camera.image_height, 1)), _PREVIEW)
        began = time.monotonic()
        while True:
            number = int((time.monotonic() - began) * _PREVIEW)
            if number >= len(frames) or client.client_id not in self._viewer.server.get_clients():
                break
            self._viewer.look(client, frames[number])
            self._jobs.pause(began + (number + 1) / _PREVIEW - time.monotonic())
        self._viewer.look(client, frames[len(frames) - 1])

    def _preview(self, event: Any) -> None:
        if self._jobs.running:
            self._jobs.stop(wait=False)
        else:
            self.path.keys(1, 1)  # says so where there are none
            self._jobs.start(lambda: self.fly(event.client), event.client)

    def _previewing(self, on: bool) -> None:
        self.preview.label, self.preview.icon = ("Stop", "player-stop") if on else ("Preview", "player-play")
        for node in self._nodes:
            node.visible = not on

    def _act(self, event: Any) -> None:
        index = int(self.choice.value) - 1
        action = self.actions.value
        if action == "Look":
            self._viewer.look(event.client, self.path.views[index])
        elif action == "Remove":
            self.path.views.pop(index)
            self._list(min(index, len(self.path) - 1))
        else:
            self._list(self.path.move(index, -1 if action == "↑" else 1))

    def _save(self, event: Any) -> None:
        target = typed_path(self.file.value)
        if target.suffix.lower() != ".json":
            raise InvalidInput(f"{target} must end in .json: that is how cameras are written")
        if target.exists() and not self.replace.value:
            raise InvalidInput(f"{target} exists already; choose another name, or tick 'Replace the file'")
        frames = self.frames(self.video.size, self.video.fps)
        save_cameras(target, frames)
        self.replace.value = False
        self._viewer.notify(getattr(event, "client", None), f"wrote {target}: {len(frames)} cameras")

    def _load(self, event: Any) -> None:
        self.path.load(typed_path(self.file.value))
        self._list(0)
        self._viewer.notify(getattr(event, "client", None), f"read {len(self.path)} views")

    def _list(self, chosen: int) -> None:
        """Show which views there are."""
        count = len(self.path)
        self.choice.options = tuple(str(i + 1) for i in range(count)) or (_NONE,)
        self.choice.value = str(chosen + 1) if count else _NONE
        self.choice.visible = self.actions.visible = bool(count)
        self.preview.disabled = count < 2
        self.video.refresh()
        self.redraw()
