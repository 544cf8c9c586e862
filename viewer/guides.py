"""Guides for the eye: the world's axes, a grid on the ground, boxes around the layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .drawables import Segments
from .layers.layer import united
from .lines import add_lines
from .numbers import round_number

if TYPE_CHECKING:
    from .viewer import Viewer

_AXES = ((0.80, 0.22, 0.20), (0.25, 0.60, 0.25), (0.20, 0.36, 0.80))
_BOX, _GRID = (0.35, 0.37, 0.42), (0.72, 0.73, 0.75)
_AFTER_PICKED = 1.1e6  # below the layers
_FAR = 5.0  # extents of the scene: an origin further away is not in sight
_CELLS = 10  # of the grid along the longest side of the scene, about


@dataclass(frozen=True)
class Guide:
    """What one guide shows: lines, texts at places (3,) of the world, and a sentence for the panel."""

    lines: Segments
    labels: tuple[tuple[str, NDArray[np.float64]], ...] = ()
    note: str = ""


class Guides:
    """Three switches in the tab Scene. What they show follows the visible layers; nothing of it is a layer."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._nodes: dict[str, list[Any]] = {}
        self._state: dict[str, Any] = {}
        gui = viewer.server.gui
        with viewer.tab("Scene"), gui.add_folder("Guides", order=_AFTER_PICKED, expand_by_default=False):
            self.switches = {name: gui.add_checkbox(name, False) for name in _GUIDES}
            self.note = gui.add_markdown("", visible=False)
        viewer.guarded(*self.switches.values())(lambda _: None)  # the change that follows draws
        viewer.on_change(self._refresh)

    def shown(self) -> dict[str, Guide]:
        """The guides that are switched on, by name."""
        chosen = [name for name, switch in self.switches.items() if switch.value]
        if not chosen:  # the boxes of large shapes take a while, and this is asked at every change
            return {}
        boxes = {name: layer.bounds() for name, layer in self._viewer.layers.items() if layer.visible}
        up = np.array([0.0, 0.0, 1.0]) if self._viewer.up is None else np.asarray(self._viewer.up, np.float64)
        return {name: _GUIDES[name](boxes, up / np.linalg.norm(up)) for name in chosen} if boxes else {}

    def drawables(self) -> list[Segments]:
        """The lines of the guides that are switched on, for pictures made without the browser."""
        with self._viewer.lock:
            return [guide.lines for guide in self.shown().values()]

    def _refresh(self) -> None:
        with self._viewer.lock:
            frame = self._viewer.frame
            if frame is None:
                return
            wanted = self.shown()
            for name in _GUIDES:
                guide = wanted.get(name)
                state = None if guide is None else (guide.lines.ends.tobytes(), frame)
                if self._state.get(name) == state:
                    continue
                for node in reversed(self._nodes.pop(name, [])):
                    node.remove()
                self._state[name] = state
                if guide is not None:
                    self._nodes[name] = self._draw(name, guide)
            note = "  \n".join(guide.note for guide in wanted.values() if guide.note)
            if note != self.note.content:
                self.note.content, self.note.visible = note, bool(note)

    def _draw(self, name: str, guide: Guide) -> list[Any]:
        frame, scene = self._viewer.frame, self._viewer.server.scene
        assert frame is not None
        root = f"/.guides {name}"
        nodes: list[Any] = [add_lines(scene, root, guide.lines, frame)]
        for number, (text, place) in enumerate(guide.labels):
            at = frame.to_view(place)
            nodes.append(
                scene.add_label(f"{root}/{number}", text, position=at, font_screen_scale=0.8, anchor="center-center")
            )
        return nodes


def world_axes(boxes: dict[str, NDArray[np.float64]], up: NDArray[np.float64]) -> Guide:
    """x red, y green, z blue, of a round length, at the origin; where that is far away, at the corner of the scene."""
    low, high = united(list(boxes.values()))
    extent = float(np.linalg.norm(high - low)) or 1.0
    length = round_number(0.3 * extent)
    near = bool(np.linalg.norm((low + high) / 2) <= _FAR * extent)
    start = np.zeros(3) if near else low
    ends = np.stack([np.stack([start, start + length * axis]) for axis in np.eye(3)])
    labels = tuple((name, start + 1.08 * length * axis) for name, axis in zip("xyz", np.eye(3), strict=True))
    note = f"Axes: {length:g} long"
    if not near:
        note += f", at ({', '.join(f'{x:.9g}' for x in low)}): the origin is far away"
    return Guide(Segments(ends, np.asarray(_AXES), 3.0), labels, note)


def ground_grid(boxes: dict[str, NDArray[np.float64]], up: NDArray[np.float64]) -> Guide:
    """Lines at multiples of a round number, on the plane across `up` that touches the scene from below."""
    low, high = united(list(boxes.values()))
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    nearest = int(np.argmax(np.abs(up)))
    first = np.eye(3)[(nearest + 1) % 3]
    first = first - (first @ up) * up
    first /= np.linalg.norm(first)
    second = np.cross(up, first)
    spans = [(float((corners @ axis).min()), float((corners @ axis).max())) for axis in (first, second)]
    side = max(b - a for a, b in spans) or float(np.linalg.norm(high - low)) or 1.0
    cell = round_number(side / _CELLS)
    ground = float((corners @ up).min()) * up
    ticks = [np.arange(math.floor(a / cell) - 1, math.ceil(b / cell) + 2) * cell for a, b in spans]
    ends = []
    for own, other, along, across in ((ticks[0], ticks[1], second, first), (ticks[1], ticks[0], first, second)):
        middle = ground + own[:, None] * across
        ends.append(np.stack([middle + other[0] * along, middle + other[-1] * along], 1))
    lines = np.concatenate(ends)
    return Guide(Segments(lines, np.tile(_GRID, (len(lines), 1)), 1.0), (), f"Grid: one cell is {cell:g}")


def bounding_boxes(boxes: dict[str, NDArray[np.float64]], up: NDArray[np.float64]) -> Guide:
    """The twelve edges of the box around each layer, with the lengths of three of them."""
    ends, labels = [], []
    steps = np.eye(3)
    for low, high in boxes.values():
        size = high - low
        for axis in range(3):
            others = [k for k in range(3) if k != axis]
            for a in (0, 1):
                for b in (0, 1):
                    start = low + a * size * steps[others[0]] + b * size * steps[others[1]]
                    ends.append(np.stack([start, start + size * steps[axis]]))
            labels.append((f"{size[axis]:.4g}", low + size / 2 * steps[axis]))
    lines = np.stack(ends)
    return Guide(Segments(lines, np.tile(_BOX, (len(lines), 1)), 1.5), tuple(labels))


_GUIDES: dict[str, Callable[[dict[str, NDArray[np.float64]], NDArray[np.float64]], Guide]] = {
    "World axes": world_axes,
    "Ground grid": ground_grid,
    "Bounding boxes": bounding_boxes,
}
