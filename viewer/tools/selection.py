"""What is selected, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..layers.layer import Layer
from .overlay import Overlay

if TYPE_CHECKING:
    from ..viewer import Viewer

Mode = Literal["replace", "add", "remove"]
MODES: tuple[Mode, ...] = ("replace", "add", "remove")


class Selection:
    """Masks of elements, shown in orange. A layer whose shape changes loses its own."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._overlay = Overlay(viewer, "/.selection")
        self._masks: dict[Layer, NDArray[np.bool_]] = {}
        self._shapes: dict[Layer, Any] = {}

    @property
    def masks(self) -> dict[Layer, NDArray[np.bool_]]:
        """(N,) of the layers of which something is selected."""
        return dict(self._masks)

    def apply(self, masks: Mapping[Layer, NDArray[np.bool_]], mode: Mode = "replace") -> None:
        """Select what the masks say, more, or less. replace: also in layers that are not among them."""
        if mode == "replace":
            found = dict(masks)
        else:
            found = dict(self._masks)
            for layer, mask in masks.items():
                before = found.get(layer, np.zeros_like(mask))
                found[layer] = before | mask if mode == "add" else before & ~mask
        self._masks = {layer: mask for layer, mask in found.items() if mask.any()}
        self._shapes = {layer: layer.shape for layer in self._masks}
        self._overlay.show(self._masks)

    def keep_up(self) -> bool:
        """Forget layers that are gone or have another shape; whether there were any."""
        there = list(self._viewer.layers.values())
        stale = [layer for layer in self._masks if layer not in there or layer.shape is not self._shapes[layer]]
        if stale:
            self.apply({layer: mask for layer, mask in self._masks.items() if layer not in stale})
        return bool(stale)
