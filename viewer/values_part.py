"""Keeps the values of all meshes up to date with the scene and with what is clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers.layer import Pick
from .layers.mesh import MeshLayer

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer


class MeshValuesOfLayers:
    """Tells the `ValuesPanel` of each mesh when the scene changes, and of clicks on its mesh."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        viewer.on_change(self._changed)
        viewer.on_pick(self._picked)

    def _changed(self) -> None:
        with self._viewer.lock:
            for layer in list(self._viewer.layers.values()):
                if isinstance(layer, MeshLayer) and layer.panel is not None:
                    layer.panel.scene_changed()

    def _picked(self, pick: Pick, client: viser.ClientHandle) -> None:
        if isinstance(pick.layer, MeshLayer) and pick.layer.panel is not None:
            vertex = pick.layer.nearest_vertex(pick)
            if vertex is not None:
                pick.layer.panel.picked(vertex, client)
