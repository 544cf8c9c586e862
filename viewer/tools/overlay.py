"""Elements of layers shown as orange dots over the scene: what is selected, what is inside a box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..layers.layer import Layer

if TYPE_CHECKING:
    from ..viewer import Viewer

ORANGE = (240, 130, 30)
MOST = 30_000  # dots of a layer: more are thinned out evenly
_DOT, _SMALLEST, _LARGEST = 0.25, 0.003, 0.018  # of the dots' distance from each other; in view units


class Overlay:
    """Dots below `name` in the scene."""

    def __init__(self, viewer: Viewer, name: str) -> None:
        self._viewer, self._name = viewer, name
        self._nodes: list[Any] = []

    def show(self, masks: Mapping[Layer, NDArray[np.bool_]]) -> None:
        """Dots at the elements of masks (N,) of layers, in place of those before."""
        self.clear()
        frame, scene = self._viewer.frame, self._viewer.server.scene
        for number, (layer, mask) in enumerate(masks.items()):
            elements = layer.elements()
            if elements is None or frame is None or not layer.visible or not mask.any():
                continue
            chosen = np.flatnonzero(mask)
            chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), MOST)).astype(int)]
            places = frame.to_view(elements[chosen])
            spacing = float(np.linalg.norm(np.ptp(places, axis=0))) / len(places) ** 0.5
            self._nodes.append(
                scene.add_point_cloud(
                    f"{self._name}/{number}",
                    places,
                    ORANGE,
                    point_size=min(max(_DOT * spacing, _SMALLEST), _LARGEST),
                    point_shape="circle",
                    precision="float32",
                )
            )

    def clear(self) -> None:
        """No dots."""
        for node in self._nodes:
            node.remove()
        self._nodes = []
