"""Measuring by clicks."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geokit.errors import InvalidInput

from ..background import Background
from ..layers.layer import Layer, Pick
from .measurement import Measurement, draw_dots, measure

if TYPE_CHECKING:
    import viser

    from ..viewer import Viewer

_KINDS = {"Distance": 2, "Angle": 3}
_WORDS = ("first", "second", "third")
_PLACE = "/.measure"
_NONE = "none"


class MeasureTool:
    """Two clicks give a distance, also along the surface when both are on one mesh; three give an angle."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.measurements: dict[int, Measurement] = {}
        self._nodes: dict[int, list[Any]] = {}
        self._picks: list[Pick] = []
        self._layers: dict[Layer, Layer] = {}  # that were clicked, as they were then: copies, which nobody changes
        self._dots: list[Any] = []
        self._next = 1
        self.work = Background(viewer, every=True)  # a way along a large mesh takes seconds
        gui = viewer.server.gui
        with viewer.tab("Tools"), gui.add_folder("Measure", expand_by_default=False):
            self.active = gui.add_checkbox("Click points", False)
            self.kind = gui.add_dropdown("What", tuple(_KINDS))
            self.status = gui.add_markdown("", visible=False)
            self.list = gui.add_markdown("", visible=False)
            self.choice = gui.add_dropdown("Number", (_NONE,), visible=False)
            self.remove = gui.add_button("Remove this", visible=False)
            self.clear = gui.add_button("Remove all", visible=False)
        viewer.guarded(self.active, self.kind)(self._start)
        viewer.guarded(self.remove)(lambda _: self.forget(int(self.choice.value)))
        viewer.guarded(self.clear)(lambda _: self.forget(*self.measurements))

    def click(self, pick: Pick, client: viser.ClientHandle) -> None:
        """The next place; the last one completes the measurement."""
        now = self._layers.setdefault(pick.layer, copy(pick.layer))
        self._picks.append(replace(pick, layer=now))
        self._check()
        if len(self._picks) < _KINDS[self.kind.value]:
            self._show_progress()
            return
        picks, layers = self._picks, self._layers
        self._begin()

        def show(found: Measurement) -> None:
            self._refuse_changed(layers)
            self.add(found)

        self.work.ask("a measurement", lambda: measure(picks), show, client)

    def add(self, measurement: Measurement) -> None:
        """Draw and list a measurement."""
        number, self._next = self._next, self._next + 1
        assert self._viewer.frame is not None
        self.measurements[number] = measurement
        self._nodes[number] = measurement.draw(self._viewer.server.scene, self._viewer.frame, f"{_PLACE}/{number}")
        self._show_list()
        self.choice.value = str(number)

    def forget(self, *numbers: int) -> None:
        """Take measurements away."""
        for number in numbers:
            if self.measurements.pop(number, None) is not None:
                for node in self._nodes.pop(number):
                    node.remove()
        self._show_list()

    def moved(self, matrix: NDArray[np.float64]) -> None:
        """The shapes were moved by a rigid (4, 4); so is what was measured on them. What was begun is not."""
        self._begin()
        frame, scene = self._viewer.frame, self._viewer.server.scene
        assert frame is not None
        for number, measurement in self.measurements.items():
            for node in self._nodes[number]:
                node.remove()
            self.measurements[number] = measurement.moved(matrix)
            self._nodes[number] = self.measurements[number].draw(scene, frame, f"{_PLACE}/{number}")

    def _start(self, _: Any) -> None:
        self._begin()
        if self.active.value:
            self._viewer.clicks.claim(self.click, self._stop)
        else:
            self._viewer.clicks.release(self.click)

    def _begin(self) -> None:
        self._picks, self._layers = [], {}
        self._show_progress()

    def _check(self) -> None:
        try:
            self._refuse_changed(self._layers)
        except InvalidInput:
            self._begin()
            raise

    def _refuse_changed(self, layers: dict[Layer, Layer]) -> None:
        there = list(self._viewer.layers.values())
        changed = [now.name for layer, now in layers.items() if layer not in there or not layer.stands_as(now)]
        if changed:
            raise InvalidInput(f"{changed[0]} changed while it was measured; measure again")

    def _stop(self) -> None:
        self.active.value = False

    def _show_progress(self) -> None:
        """Which click comes next, and a dot where the former ones were."""
        for dot in self._dots:
            dot.remove()
        self._dots = []
        if self._picks:
            assert self._viewer.frame is not None
            points = self._viewer.frame.to_view([pick.point for pick in self._picks])
            self._dots = draw_dots(self._viewer.server.scene, points, f"{_PLACE}/next")
        self.status.visible = self.active.value
        self.status.content = f"Click on the {_WORDS[len(self._picks)]} point."

    def _show_list(self) -> None:
        some = bool(self.measurements)
        lines = [f"{number}. {m.text}  " for number, m in self.measurements.items()]
        units = sorted({m.unit for m in self.measurements.values() if m.angle is None})
        lines += [f"  \nUnit: {', '.join(units)}"] if units else []
        self.list.content = "\n".join(lines)
        self.choice.options = tuple(str(number) for number in self.measurements) or (_NONE,)
        for handle in (self.list, self.choice, self.remove, self.clear):
            handle.visible = some
