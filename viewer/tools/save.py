"""What is shown as a file, on the disk of the server or as a download; nothing is written unasked."""

from __future__ import annotations

import re
import tempfile
import zipfile
from copy import copy
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Cameras, Mesh, PointCloud, Splats
from geokit.pipelines.camera_files import save_cameras
from geokit.pipelines.convert import check_target, files_of, formats_of, write_shape

from ..attributes import Attributes
from ..jobs import Jobs
from ..layers.layer import Layer
from ..turning import turned_shape
from .choice import LayerChoice
from .places import free_path, size_in_words, typed_path

if TYPE_CHECKING:
    from ..viewer import Viewer

_JSON = ".json"


class SaveTool:
    """A layer into a file of one of the formats of `geokit convert`, cameras into a .json; or read again from its
    own."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        gui = viewer.server.gui
        with viewer.tab("Save"), gui.add_folder("Save a layer"):
            self.choice = LayerChoice(viewer, can_be_saved, everything=False)
            self.format = gui.add_dropdown("Format", (".ply",))
            self.path = gui.add_text("File", "", hint="on the machine where geokit runs")
            self.replace = gui.add_checkbox("Replace the file", False, hint="if there is one of this name already")
            self.save = gui.add_button("Save")
            self.download = gui.add_button("Download")
            self.reload = gui.add_button("Read its file again", visible=False)
        self._jobs = Jobs(viewer, lambda: self._busy(True), lambda: self._busy(False))
        viewer.guarded(self.choice.handle)(lambda _: self._suggest())
        viewer.guarded(self.format)(lambda _: self._suggest_name())
        viewer.guarded(self.save)(self._save)
        viewer.guarded(self.download)(self._download)
        viewer.guarded(self.reload)(self._reload)
        self._suggested: Layer | None = None
        viewer.on_change(self._keep_up)

    @property
    def layer(self) -> Layer:
        """The chosen one; `InvalidInput` where there is none."""
        return self.choice.layers()[0]

    def _save(self, event: Any) -> None:
        # Copies stay as they are while the scene changes.
        target, layer, replace = typed_path(self.path.value), copy(self.layer), self.replace.value

        def work() -> None:
            said = save_layer(layer, target, replace)
            with self._viewer.lock:
                self.replace.value = False
                self._viewer.notify(event.client, said)
                self._suggest_name()

        self._jobs.start(work, event.client)

    def _download(self, event: Any) -> None:
        layer, ending, client = copy(self.layer), self.format.value, event.client
        if client is not None:
            self._jobs.start(lambda: client.send_file_download(*layer_as_download(layer, ending)), client)

    def _reload(self, event: Any) -> None:
        layer = self.layer
        now = copy(layer)

        def work() -> None:
            found = read_again(now)
            with self._viewer.lock:
                if self._viewer.layers.get(layer.name) is not layer or not layer.stands_as(now):
                    raise InvalidInput(f"{layer.name} changed while its file was read; read it again")
                self._viewer.change({layer: found}, f"read {layer.name} again")
            self._viewer.notify(event.client, f"read {layer.source} again: {layer.shape}")

        self._jobs.start(work, event.client)

    def _busy(self, busy: bool) -> None:
        for button in (self.save, self.download, self.reload):
            button.disabled = busy

    def _keep_up(self) -> None:
        with self._viewer.lock:
            self.choice.refresh()
            names = {layer.name: layer for layer in self._viewer.layers.values()}
            if names.get(self.choice.handle.value) is not self._suggested:
                self._suggest()

    def _suggest(self) -> None:
        """Formats and a free name for the chosen layer."""
        found = [layer for layer in self._viewer.layers.values() if layer.name == self.choice.handle.value]
        self._suggested = found[0] if found else None
        if self._suggested is None:
            return
        formats = layer_formats(self._suggested)
        source = self._suggested.source
        if tuple(self.format.options) != formats:
            self.format.options = formats
        own = source.suffix.lower() if source else ""
        self.format.value = own if own in formats else formats[0]
        self.reload.visible = self._suggested.read is not None
        self._suggest_name()

    def _suggest_name(self) -> None:
        layer = self._suggested
        if layer is not None:
            source = layer.source
            folder = Path.cwd() if source is None else source if source.is_dir() else source.parent
            stem = layer.name if source is None else f"{source.stem}_edited"
            self.path.value = str(free_path(folder.absolute(), stem, self.format.value))


def can_be_saved(layer: Layer) -> bool:
    """Whether the layer's shape is one that files hold."""
    return isinstance(layer.shape, Mesh | PointCloud | Splats | Cameras)


def layer_formats(layer: Layer) -> tuple[str, ...]:
    """The endings of files that can hold the layer's shape."""
    return (_JSON,) if isinstance(layer.shape, Cameras) else formats_of(layer.shape)


def save_layer(layer: Layer, target: Path, overwrite: bool = False) -> str:
    """Write a layer's shape, atomically, in the format of the ending; returns what was written, and what was not.

    Raises `InvalidInput` for an ending that cannot hold it and, unless `overwrite`, a file that is there already (a
    texture goes beside an .obj).
    """
    there = [file for file in files_of(layer.shape, target) if file.exists()]
    if there and not overwrite:
        raise InvalidInput(f"{there[0]} exists already; choose another name, or tick 'Replace the file'")
    lost: list[str] = []
    if isinstance(layer.shape, Cameras):
        if target.suffix.lower() != _JSON:
            raise InvalidInput(f"{target} must end in {_JSON}: that is how cameras are written")
        save_cameras(target, layer.shape)
    else:
        check_target(target, overwrite=True)
        names = [re.sub(r"[\s,;]+", "_", name) or "scalar" for name in getattr(layer, "feature_names", [])]
        _, lost = write_shape(layer.shape.to("cpu"), layer.source or Path(layer.name), target, names)
    rows = f"{len(layer.shape):,} {_rows(layer)}"
    told = f"wrote {target}: {rows}, {size_in_words(target.stat().st_size)}"
    return "; ".join([told, *lost])


def layer_as_download(layer: Layer, ending: str) -> tuple[str, bytes]:
    """The name and the content of a layer as a file; of one that needs others beside it, a .zip of all."""
    stem = Path(layer.name).stem or "shape"
    with tempfile.TemporaryDirectory() as folder:
        save_layer(layer, Path(folder) / f"{stem}{ending}")
        files = sorted(Path(folder).iterdir())
        if len(files) == 1:
            return files[0].name, files[0].read_bytes()
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.name)
        return f"{stem}.zip", packed.getvalue()


def read_again(layer: Layer) -> Attributes:
    """What the layer's own file holds now, turned as the layer was, as attributes for it.

    Raises `UnreadableFile` where it is gone, damaged or holds another kind of shape, and `InvalidInput` for a layer
    that is not all of one file.
    """
    if layer.read is None:
        raise InvalidInput(f"{layer.name} is not all of one file, so it cannot be read again")
    found = layer.read()
    shape = found["shape"]
    if type(shape) is not type(layer.shape):
        raise UnreadableFile(
            f"{layer.source} holds a {type(shape).__name__} now, but {layer.name} is a {type(layer.shape).__name__}; "
            "open it in a new viewer"
        )
    if not np.array_equal(layer.motion, np.eye(4)):  # it was turned with all others since
        found["shape"] = turned_shape(shape, layer.motion)
    return found


def _rows(layer: Layer) -> str:
    words = {Mesh: "faces", PointCloud: "points", Splats: "splats", Cameras: "cameras"}
    return words[type(layer.shape)]
