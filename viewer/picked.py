"""What was clicked: a marker in the scene and what is known there, as a table."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from .layers.layer import Layer, Pick
from .layers.mesh import MeshLayer

if TYPE_CHECKING:
    import viser

    from .viewer import Viewer

_COLOR = (220, 60, 40)
_RADIUS = 0.015  # in view units; what is shown first has a radius of 2
_NODE = "/.picked"


class Picked:
    """Shows the last place that was clicked: of a mesh, its nearest vertex with all values computed so far.

    The marker goes with its layer: when that is hidden, changed or removed.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._marker: Any = None
        self._layer: Layer | None = None
        self._shape: Any = None
        self._pick: Pick | None = None
        with viewer.tab("Scene"):
            self._folder = viewer.server.gui.add_folder("Picked", order=_AFTER_LAYERS, visible=False)
            with self._folder:
                self.table = viewer.server.gui.add_html("")
                clear = viewer.server.gui.add_button("Clear", color="gray")
        viewer.guarded(clear)(lambda _: self.clear())
        viewer.on_pick(self.show)
        viewer.on_change(self._changed)

    def show(self, pick: Pick, client: viser.ClientHandle | None = None) -> None:
        """Mark what was clicked and write what is known there."""
        assert self._viewer.frame is not None
        self.clear()
        self._pick, self._layer, self._shape = pick, pick.layer, pick.layer.shape
        place = pick.point
        if isinstance(pick.layer, MeshLayer) and (vertex := pick.layer.nearest_vertex(pick)) is not None:
            place = pick.layer.place_of(vertex)
        self._marker = self._viewer.server.scene.add_icosphere(
            _NODE, _RADIUS, _COLOR, position=self._viewer.frame.to_view(place), cast_shadow=False, receive_shadow=False
        )
        self.table.content = table_html(pick.layer.name, place, pick.layer.told(pick))
        self._folder.visible = True

    def clear(self) -> None:
        """Nothing is picked."""
        if self._marker is not None:
            self._marker.remove()
        self._marker = self._layer = self._shape = self._pick = None
        self._folder.visible = False

    def _changed(self) -> None:
        with self._viewer.lock:
            layer, pick = self._layer, self._pick
            if layer is None or pick is None:
                return
            gone = self._viewer.layers.get(layer.name) is not layer or layer.shape is not self._shape
            if gone or not layer.visible:
                self.clear()
            elif isinstance(layer, MeshLayer):
                place = layer.place_of(layer.nearest_vertex(pick) or 0)
                content = table_html(layer.name, place, layer.told(pick))
                if content != self.table.content:
                    self.table.content = content


_AFTER_LAYERS = 1e6


def table_html(name: str, place: np.ndarray, values: dict[str, str]) -> str:
    """A small table: the layer, the place (3,) in the world, and what is known there."""
    rows = {"layer": name, "place": ", ".join(f"{float(x):.6g}" for x in place), **values}
    cells = "".join(
        f'<tr><td style="opacity:0.65;padding:0.1em 0.8em 0.1em 0;vertical-align:top">{html.escape(key)}</td>'
        f'<td style="font-variant-numeric:tabular-nums">{html.escape(value)}</td></tr>'
        for key, value in rows.items()
    )
    return f'<table class="geokit-picked" style="font-size:0.8em;margin:0.2em 0.9em 0.4em">{cells}</table>'
