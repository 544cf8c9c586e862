"""Clicks on shapes between which there is a map, and edits of these shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from .layers.layer import Pick

if TYPE_CHECKING:
    from .layers.correspondences import CorrespondencesLayer
    from .viewer import Viewer


class Matching:
    """The part of a viewer that knows of maps: clicks on their shapes are answered, edits of these followed."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        viewer.on_pick(self._pick)
        viewer.on_change(self._follow)

    def _maps(self) -> list[CorrespondencesLayer]:
        # By kind: scenes without maps need not load what computes them.
        layers = [layer for layer in self.viewer.layers.values() if layer.kind == "map"]
        return cast("list[CorrespondencesLayer]", layers)

    def _pick(self, pick: Pick, _client: object) -> None:
        for layer in self._maps():
            if pick.layer in (layer.first, layer.second) and layer.visible and layer.fits:
                assert pick.weights is not None
                corner = int(np.argmax(pick.weights))
                layer.ask(int(pick.layer is layer.second), int(pick.layer.shape.faces[pick.element, corner]))
                layer.panel.asked()

    def _follow(self) -> None:
        with self.viewer.lock:
            there = list(self.viewer.layers.values())
            for layer in self._maps():
                layer.follow(layer.first in there and layer.second in there)
                layer.panel.asked()
