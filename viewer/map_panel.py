"""The controls of a map between two shapes, and what is known of it: figures, the curve of errors, the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import GeokitError
from geokit.pipelines.spectrum_pictures import signed_colors

from .layers.correspondences import MOST_LINES, CorrespondencesLayer
from .words import plain

if TYPE_CHECKING:
    import viser

_CURVE = "#b3232a"
_MATRIX = 300  # pixels, at least
_ASK = "Click on a shape to see where that place is on the other."


class MapPanel:
    """Made inside the folder of its layer."""

    def __init__(self, layer: CorrespondencesLayer, gui: viser.GuiApi, viewer: Any) -> None:
        self.layer, self.viewer = layer, viewer
        self.pair: Any = None
        if layer.collection is not None:
            self.pair = gui.add_dropdown("Pair", list(layer.collection.folders), initial_value=layer.pair)
        self.coloring = gui.add_dropdown("Colours", layer.colorings(), initial_value=layer.coloring)
        self.lines = gui.add_slider("Lines", 0, MOST_LINES, 1, layer.lines)
        self.apart = gui.add_slider("Distance apart", 0.0, 3.0, 0.05, layer.apart)
        self.aligned = gui.add_checkbox(
            "Aligned", layer.aligned, hint="turn and scale the second shape as the first stands"
        )
        self.answer = gui.add_markdown(_ASK)
        self.figures = gui.add_markdown(self._figures())
        self.curve = None if layer.errors is None else _add_curve(gui, *layer.errors.curve())
        functional = layer.shape.functional_map
        self.matrix = None
        if functional is not None:
            rows, columns = functional.shape
            label = f"Functional map, {rows} x {columns}: red positive, blue negative"
            self.matrix = gui.add_image(matrix_picture(functional), label=label, format="png")
        viewer.guarded(self.pair)(self._open_pair)
        viewer.guarded(self.coloring)(self._recolor)
        viewer.guarded(self.lines)(self._draw_lines)
        viewer.guarded(self.apart, self.aligned)(self._place)

    def _open_pair(self, _: Any) -> None:
        """Show another pair of the collection in place of this one."""
        layer = self.layer
        gone = self.viewer.layers.get(layer.name) is not layer  # somebody else chose at the same time
        if self.pair is None or layer.collection is None or gone or self.pair.value == layer.pair:
            return
        try:
            opened = layer.collection.layers(self.pair.value)
        except GeokitError:
            self.pair.value = layer.pair
            raise
        for old in (layer, layer.first, layer.second):
            if self.viewer.layers.get(old.name) is old:
                self.viewer.remove(old.name)
        self.viewer.add(*opened)

    def asked(self) -> None:
        """Say what was clicked on and what it corresponds to."""
        self.answer.content = plain(self.layer.answer()) or _ASK

    def _recolor(self, _: Any) -> None:
        self.layer.coloring = self.coloring.value
        if self.layer.fits:
            self.layer.paint()

    def _draw_lines(self, _: Any) -> None:
        if self.lines.value != self.layer.lines:
            self.layer.lines = self.lines.value
            self.layer.redraw()

    def _place(self, _: Any) -> None:
        # Of the many events of a slider that moves, those that came while the last was drawn find nothing left to do.
        if (self.apart.value, self.aligned.value) != (self.layer.apart, self.layer.aligned):
            self.layer.apart, self.layer.aligned = self.apart.value, self.aligned.value
            self.layer.place()

    def _figures(self) -> str:
        layer = self.layer
        said = [layer.note] if layer.note else []
        said.append(f"coverage: {layer.coverage:.0%} of {layer.first.name} is reached")
        if layer.errors is not None:
            said += [layer.errors.sentence, "errors: ways along the edges x 100 / √area"]
        return "  \n".join(plain(line) for line in said)


def _add_curve(gui: viser.GuiApi, limits: torch.Tensor, shares: torch.Tensor) -> Any:
    """The share of the places whose error is at most so much."""
    return gui.add_uplot(
        (limits.numpy(), 100 * shares.numpy()),
        ({"label": "error up to"}, {"label": "% of places", "stroke": _CURVE, "width": 2}),
        title="Places (%) with at most this error",
        scales={"x": {"time": False}, "y": {"range": (0, 105)}},
        aspect=1.6,
    )


def matrix_picture(functional_map: torch.Tensor) -> NDArray[np.uint8]:
    """(H, W, 3): the entries of a matrix as squares of whole pixels, red above zero and blue below."""
    rows, columns = functional_map.shape
    colors = signed_colors(functional_map.double().reshape(-1)).reshape(rows, columns, 3)
    side = -(-_MATRIX // max(rows, columns))
    return (colors.numpy() * 255).round().astype(np.uint8).repeat(side, 0).repeat(side, 1)
