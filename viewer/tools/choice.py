"""A dropdown of layers that keeps up with the scene, and edits of the elements of what it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geokit.errors import InvalidInput

from ..layers.layer import Layer

if TYPE_CHECKING:
    from ..viewer import Viewer

EVERYTHING, NOTHING = "all that is visible", "nothing yet"
_NOUNS = {"mesh": "faces", "points": "points", "splats": "splats"}


class LayerChoice:
    """A dropdown of the layers that a tool can work on. accepts: which. everything: offer all visible ones at once."""

    def __init__(
        self, viewer: Viewer, accepts: Callable[[Layer], bool], everything: bool = True, label: str = "Layer"
    ) -> None:
        self._viewer, self._accepts, self._everything = viewer, accepts, everything
        self.handle = viewer.server.gui.add_dropdown(label, self._options())
        viewer.on_change(self.refresh)

    def refresh(self) -> None:
        """Offer the layers that are there now."""
        with self._viewer.lock:
            options = self._options()
            if tuple(self.handle.options) != options:
                self.handle.options = options

    def layers(self) -> list[Layer]:
        """The chosen ones; `InvalidInput` where there is none."""
        name = self.handle.value
        if name == EVERYTHING:
            chosen = [layer for layer in self._viewer.layers.values() if self._accepts(layer) and layer.visible]
        else:
            chosen = [layer for layer in self._viewer.layers.values() if layer.name == name and self._accepts(layer)]
        if not chosen:
            raise InvalidInput("there is no visible layer for this tool; show one, or choose it by its name")
        return chosen

    def _options(self) -> tuple[str, ...]:
        names = [layer.name for layer in self._viewer.layers.values() if self._accepts(layer)]
        return tuple([EVERYTHING] * (self._everything and len(names) != 1) + names) if names else (NOTHING,)


def has_elements(layer: Layer) -> bool:
    """Whether parts of the layer can be selected, kept and deleted; asked at every change, so nothing is computed."""
    return type(layer).elements is not Layer.elements


def counted(masks: Mapping[Layer, NDArray[np.bool_]]) -> str:
    """What is selected by masks, as a user says it: "1,204 splats and 12 faces"."""
    counts: dict[str, int] = {}
    for layer, mask in masks.items():
        noun = _NOUNS.get(layer.kind, "elements")
        counts[noun] = counts.get(noun, 0) + int(mask.sum())
    words = [f"{count:,} {noun[:-1] if count == 1 else noun}" for noun, count in counts.items() if count]
    return " and ".join(words) or "nothing"


def delete_elements(viewer: Viewer, gone: Mapping[Layer, NDArray[np.bool_]]) -> str:
    """Take the elements of masks (N,) out of their layers, as one edit; returns what was done.

    Raises `InvalidInput` where nothing is chosen and where nothing of a layer would be left.
    """
    gone = {layer: mask for layer, mask in gone.items() if mask.any()}
    if not gone:
        raise InvalidInput("nothing would change: there is nothing chosen that could be deleted")
    emptied = [layer.name for layer, mask in gone.items() if mask.all()]
    if emptied:
        raise InvalidInput(f"nothing of {emptied[0]} would be left; hide the layer instead, or choose less")
    what = f"deleted {counted(gone)}"
    viewer.edit({layer: layer.kept(~mask) for layer, mask in gone.items()}, what)
    return what
