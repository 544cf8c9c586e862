"""A box in the scene: what is inside it can be kept or deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.geometry.rotations import matrix_from_quaternion, quaternion_from_matrix

from ..layers.layer import Layer, united
from .choice import LayerChoice, counted, delete_elements, has_elements
from .overlay import ORANGE, Overlay

if TYPE_CHECKING:
    from ..viewer import Viewer

_NAME = "/.crop"
_FIRST = 0.5  # of the scene's sides: the box when it appears
_STEPS = 400
_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float32)
_EDGES = np.stack([np.stack([a, b]) for a in _CORNERS for b in _CORNERS if (b - a).sum() == 1 == np.abs(b - a).sum()])
_PAUSE = 0.1  # seconds between two counts while the box is dragged


class CropTool:
    """A box that is moved and turned by handles and sized by sliders. It counts and marks what is inside."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._overlay = Overlay(viewer, f"{_NAME}_inside")
        self.handles: Any = None
        self._box: Any = None
        self._counted = 0.0
        self._state: list[Any] = []
        self._sides: tuple[Any, ...] = ()
        gui = viewer.server.gui
        with viewer.tab("Tools"), gui.add_folder("Crop box", expand_by_default=False):
            self.active = gui.add_checkbox("Show the box", False)
            self.folder = gui.add_folder(None, visible=False)
            with self.folder:
                self.choice = LayerChoice(viewer, has_elements)
                self._sizes_folder = gui.add_folder(None)
                self.status = gui.add_markdown("")
                self.keep = gui.add_button("Keep inside")
                self.delete = gui.add_button("Delete inside")
                self.reset = gui.add_button("Box around everything")
        viewer.guarded(self.active)(self._toggle)
        viewer.guarded(self.choice.handle)(lambda _: self.refresh())
        viewer.guarded(self.keep)(lambda event: self._cut(event, inside=False))
        viewer.guarded(self.delete)(lambda event: self._cut(event, inside=True))
        viewer.guarded(self.reset)(lambda _: self._place(1.0))
        viewer.on_change(self._keep_up)

    @property
    def size(self) -> NDArray[np.float64]:
        """(3,) the lengths of the box's sides in world units."""
        return np.array([slider.value for slider in self._sides], np.float64)

    def inside(self, layer: Layer) -> NDArray[np.bool_]:
        """(N,) which elements of a layer are in the box."""
        assert self._viewer.frame is not None
        elements = layer.elements()
        assert elements is not None
        rotation = matrix_from_quaternion(torch.from_numpy(np.asarray(self.handles.wxyz, np.float64))).numpy()
        local = (elements - self._viewer.frame.to_world(self.handles.position)) @ rotation
        return (np.abs(local) <= self.size / 2).all(1)

    def refresh(self) -> None:
        """Draw the box, count and mark what is inside."""
        if self.handles is None or self._viewer.frame is None:
            return
        self._counted = time.monotonic()
        self._box.scale = tuple(float(x) for x in self.size * self._viewer.frame.scale)
        masks = {layer: self.inside(layer) for layer in self.choice.layers()}
        total = {layer: np.ones_like(mask) for layer, mask in masks.items()}
        self.status.content = f"Inside: {counted(masks)}, of {counted(total)}."
        self._overlay.show(masks)

    def moved(self, matrix: NDArray[np.float64]) -> None:
        """The shapes and the middle of the view were moved by a rigid (4, 4); so is the box."""
        if self.handles is None:
            return
        turn = matrix[:3, :3]
        rotation = matrix_from_quaternion(torch.from_numpy(np.asarray(self.handles.wxyz, np.float64))).numpy()
        self.handles.position = turn @ self.handles.position
        self.handles.wxyz = quaternion_from_matrix(torch.from_numpy(turn @ rotation)).numpy()

    def _toggle(self, _: Any) -> None:
        if self.active.value:
            try:
                self._place(_FIRST)
            except InvalidInput:  # there is nothing to crop
                self.active.value = False
                raise
        else:
            self._remove()
        self.folder.visible = self.handles is not None

    def _place(self, share: float) -> None:
        """The box around the middle of the chosen layers, with a share of their sides."""
        self._remove()
        low, high = united([layer.bounds() for layer in self.choice.layers()])
        frame, scene = self._viewer.frame, self._viewer.server.scene
        assert frame is not None
        sides = np.maximum(high - low, 1e-3 * np.linalg.norm(high - low) + 1e-12)
        self._add_sliders(sides, share)
        self.handles = scene.add_transform_controls(
            _NAME, scale=0.6, line_width=3.0, depth_test=False, position=frame.to_view((low + high) / 2)
        )
        self._box = scene.add_line_segments(f"{_NAME}/box", _EDGES, ORANGE, thickness=2.0, thickness_units="screen")
        self.handles.on_update(lambda event: self._viewer.safely(lambda: self._dragged(event), event.client))
        self.refresh()

    def _add_sliders(self, sides: NDArray[np.float64], share: float) -> None:
        gui, largest = self._viewer.server.gui, float(sides.max())
        digits = -int(np.floor(np.log10(largest / _STEPS)))
        step = round(10.0**-digits, max(digits, 0))
        with self._sizes_folder:
            self._sides = tuple(
                gui.add_slider(
                    f"Size {axis}",
                    step,
                    _rounded(1.5 * largest, digits),
                    step,
                    max(step, _rounded(share * side, digits)),
                )
                for axis, side in zip("xyz", (float(side) for side in sides))
            )
        self._viewer.guarded(*self._sides)(lambda _: self.refresh())

    def _dragged(self, event: Any) -> None:
        """Dragging reports some twenty times a second, more often than large scenes can be counted."""
        if event.phase == "end" or time.monotonic() - self._counted > _PAUSE:
            self.refresh()

    def _cut(self, event: Any, inside: bool) -> None:
        masks = {layer: self.inside(layer) for layer in self.choice.layers()}
        what = delete_elements(self._viewer, masks if inside else {layer: ~mask for layer, mask in masks.items()})
        self._viewer.notify(getattr(event, "client", None), what)
        self.refresh()

    def _keep_up(self) -> None:
        """Count again when shapes or visibility changed."""
        with self._viewer.lock:
            state = [(layer, layer.visible, id(layer.shape)) for layer in self._viewer.layers.values()]
            if self.handles is None or state == self._state:
                return
            self._state = state
            if any(has_elements(layer) and layer.visible for layer in self._viewer.layers.values()):
                self.refresh()
            else:
                self.active.value = False

    def _remove(self) -> None:
        self._overlay.clear()
        for slider in self._sides:
            slider.remove()
        if self.handles is not None:
            self.handles.remove()
        self._sides, self.handles, self._box = (), None, None


def _rounded(value: float, digits: int) -> float:
    """Up to a decimal place, as short as it can be written: a side may not fall short of what it holds."""
    return float(round(float(np.ceil(value * 10.0**digits - 1e-6)) / 10.0**digits, max(digits, 0)))
