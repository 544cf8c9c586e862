"""The layers in the panel: a folder for each, with a switch to hide it and its own controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .layers.layer import Layer

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer


class LayerFolders:
    """Folders in the tab Scene, by the names of the layers."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._folders: dict[str, viser.GuiFolderHandle] = {}
        self._switches: dict[str, Any] = {}

    def __getitem__(self, name: str) -> viser.GuiFolderHandle:
        return self._folders[name]

    def add(self, layer: Layer) -> None:
        """A folder for a layer that is drawn."""
        gui = self._viewer.server.gui
        with self._viewer.tab("Scene"):
            title = layer.name if layer.name.endswith(layer.kind) else f"{layer.name} ({layer.kind})"
            folder = self._folders[layer.name] = gui.add_folder(title)
        with folder:
            visible = self._switches[layer.name] = gui.add_checkbox("Visible", layer.visible)
            layer.controls(gui, self._viewer)

        @self._viewer.guarded(visible)
        def _(_: Any) -> None:
            layer.set_visible(visible.value)

    def remove(self, name: str) -> None:
        """Take a folder away, if there is one."""
        self._switches.pop(name, None)
        if (folder := self._folders.pop(name, None)) is not None:
            folder.remove()

    def switch(self, name: str, visible: bool) -> None:
        """Let the switch say whether the layer is visible."""
        self._switches[name].value = visible

    def switched(self, name: str) -> bool:
        """What the switch says."""
        return bool(self._switches[name].value)
