"""The flight as a video: its size, its file, progress and a way to stop."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geokit.errors import InvalidInput

from ..jobs import Jobs
from ..render_scene import scene_drawables
from .places import free_path, size_in_words, typed_path
from .screenshot import LARGEST, geokit_picture
from .video import FOLDER, FORMATS, check_video, write_video

if TYPE_CHECKING:
    import viser

    from ..viewer import Viewer
    from .camera_path import CameraPathTool

_MOST = 20_000  # frames


class VideoControls:
    """Renders the frames of a path by geokit's own renderers into a moving picture or a folder of pictures."""

    def __init__(self, viewer: Viewer, path: CameraPathTool) -> None:
        self._viewer, self._path = viewer, path
        self._jobs = Jobs(viewer, lambda: self._busy(True), lambda: self._busy(False))
        gui = viewer.server.gui
        with viewer.tab("Camera"), gui.add_folder("Video of the path", expand_by_default=False):
            self.width = gui.add_number("Width", 640, min=16, max=LARGEST, step=2)
            self.height = gui.add_number("Height", 480, min=16, max=LARGEST, step=2)
            self.rate = gui.add_number("Frames / s", 24, min=1, max=60, step=1)
            self.format = gui.add_dropdown("Format", FORMATS)
            self.file = gui.add_text("File", "", hint="on the machine where geokit runs")
            self.replace = gui.add_checkbox("Replace the file", False)
            self.save = gui.add_button("Render and save", disabled=True)
            self.download = gui.add_button("Render and download", disabled=True)
            self.progress = gui.add_progress_bar(0.0, visible=False)
            self.status = gui.add_markdown("", visible=False)
            self.cancel = gui.add_button("Cancel", visible=False)
        viewer.guarded(self.format)(lambda _: self._suggest())
        viewer.guarded(self.save)(lambda event: self._start(event, download=False))
        viewer.guarded(self.download)(lambda event: self._start(event, download=True))
        viewer.guarded(self.cancel)(lambda _: self._jobs.stop(wait=False))
        self._suggest()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.width.value), int(self.height.value)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return float(self.rate.value)

    def refresh(self) -> None:
        """Only a path with views can become a video."""
        self.save.disabled = self.download.disabled = not len(self._path.path)

    def _suggest(self) -> None:
        ending = "" if self.format.value == FOLDER else self.format.value
        self.file.value = str(free_path(Path.cwd(), "video", ending))

    def _start(self, event: Any, download: bool) -> None:
        kind, size, fps = self.format.value, self.size, self.fps
        cameras = self._path.frames(size, fps)
        if len(cameras) > _MOST:
            raise InvalidInput(f"{len(cameras)} frames are too many, a video has up to {_MOST}; choose fewer seconds")
        drawables = scene_drawables(self._viewer)
        client = event.client
        target = Path(f"video{'' if kind == FOLDER else kind}") if download else typed_path(self.file.value)
        overwrite = self.replace.value and not download
        if not download:
            check_video(target, kind, len(cameras), *size, overwrite)

        def frames() -> Iterator[NDArray[np.uint8]]:
            for i in range(len(cameras)):
                self._jobs.check()
                yield geokit_picture(drawables, cameras[i])
                self.progress.value = 100 * (i + 1) / len(cameras)
                self.status.content = f"Frame {i + 1} of {len(cameras)}."

        def work() -> None:
            if download:
                with tempfile.TemporaryDirectory() as folder:
                    check_video(Path(folder) / target, kind, len(cameras), *size, False)
                    write_video(Path(folder) / target, kind, frames(), fps, size)
                    client.send_file_download(*packed(Path(folder) / target))
                return
            write_video(target, kind, frames(), fps, size)
            self._say_written(target, len(cameras), client)

        self._jobs.start(work, client)

    def _say_written(self, target: Path, count: int, client: viser.ClientHandle | None) -> None:
        files = list(target.iterdir()) if target.is_dir() else [target]
        size = size_in_words(sum(file.stat().st_size for file in files))
        self.replace.value = False
        self._viewer.notify(client, f"wrote {target}: {count} frames, {size}")
        self._suggest()

    def _busy(self, busy: bool) -> None:
        self.progress.value = 0.0
        self.status.content = ""
        for handle in (self.progress, self.status, self.cancel):
            handle.visible = busy
        self.save.visible = self.download.visible = not busy


def packed(path: Path) -> tuple[str, bytes]:
    """The name and content of a file, or of a .zip of what is in a folder."""
    if path.is_file():
        return path.name, path.read_bytes()
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path.iterdir()):
            archive.write(file, file.name)
    return f"{path.name}.zip", held.getvalue()
