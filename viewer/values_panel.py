"""The controls of a mesh with which its values are chosen and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import Mesh, PointCloud
from geokit.pipelines.colormap import COLORMAPS

from .background import Background
from .painting import RANGES, Look, Painting, Wish, paint
from .values import ALONG, APART, MeshValues, Other
from .vectors import FIELDS, MOST, MeshVectors

if TYPE_CHECKING:
    import viser

    from .layers.layer import Layer
    from .layers.mesh import MeshLayer
    from .viewer import Viewer

_NONE, _NOBODY = "none", "(no other layer)"


class ValuesPanel:
    """Which values a mesh is painted with, and how. What is computed is computed in the background.

    sources: the vertices from which distances along the surface count.
    """

    def __init__(self, layer: MeshLayer, gui: viser.GuiApi, viewer: Viewer) -> None:
        self._layer, self._viewer = layer, viewer
        self.work = Background(viewer)
        self.sources: list[int] = []
        self._quiet = False
        self._mesh: Mesh | None = None
        self._other: Any = None
        self._shown = Painting()
        self._look_again()
        self.quantity = gui.add_dropdown("Values", (_NONE, *self.values.names()), initial_value=_NONE)
        self._options = gui.add_folder(None, visible=False)
        with self._options:
            self.number = gui.add_slider("Number", 0, 1, 1, 1)
            self.hint = gui.add_markdown("*Click on the mesh to choose where the distance begins.*")
            self.several = gui.add_checkbox("Add sources", False, hint="each click adds one more, or takes one away")
            self.other = gui.add_dropdown("To", (_NOBODY,))
            self.colormap = gui.add_dropdown("Colours", tuple(COLORMAPS))
            self.range = gui.add_dropdown("Range", RANGES, hint="automatic leaves out the outermost 2 % of the values")
            self.low = gui.add_number("From", 0.0)
            self.high = gui.add_number("To", 1.0)
            self.lines = gui.add_slider("Isolines", 0, 50, 1, 0)
        self.arrows = gui.add_dropdown("Arrows", FIELDS)
        self._arrow_options = gui.add_folder(None, visible=False)
        with self._arrow_options:
            self.count = gui.add_slider("Arrow count", 50, MOST, 50, 400)
            self.length = gui.add_slider("Arrow length", 0.5, 20.0, 0.5, 4.0, hint="in hundredths of the mesh's size")
        moving = (self.number, self.several, self.other, self.colormap, self.range, self.low, self.high, self.lines)
        self._guard(self._chosen, self.quantity)
        self._guard(self._moved, *moving, self.arrows, self.count, self.length)
        self._fit()

    @property
    def active(self) -> bool:
        """Whether anything is painted."""
        return self.quantity.value != _NONE or self.arrows.value != _NONE

    def picked(self, vertex: int, client: Any = None) -> None:
        """A user clicked on the mesh: distances along the surface begin there."""
        if self.quantity.value != ALONG:
            return
        if not self.several.value:
            self.sources = [vertex]
        elif vertex in self.sources and len(self.sources) > 1:
            self.sources.remove(vertex)
        elif vertex not in self.sources:
            self.sources.append(vertex)
        self.refresh(client)

    def scene_changed(self) -> None:
        """Other layers came, went or changed, or this mesh did: bring the values up to date."""
        chosen, active, changed = self.quantity.value, self.active, self._layer.shape is not self._mesh
        if changed:
            self._look_again()
            self.sources = []
        names = tuple(self._others()) or (_NOBODY,)
        with self._quietly():
            if names != self.other.options:
                self.other.options = names
            offered = (_NONE, *(name for name in self.values.names() if name != APART or self._others()))
            if offered != self.quantity.options:
                self.quantity.options = offered
        changed |= self.quantity.value != chosen
        if self.quantity.value == APART:
            other = self._others().get(self.other.value)
            changed |= other is not None and other.shape is not self._other
        if changed and active:
            self.refresh()

    def refresh(self, client: Any = None) -> None:
        """Compute what the controls say and paint the mesh with it."""
        self._fit()
        if not self.active:
            self.work.ask("nothing", Painting, self._show, client)
            return
        values, vectors, wish, look = self.values, self.vectors, self._wish(), self._look()
        what = ", ".join(x for x in (wish.name, f"arrows: {look.arrows}" * (look.arrows != _NONE)) if x)
        what = f"{what} on {self._layer.name}"
        self.work.ask(what, lambda: paint(values, vectors, wish, look), self._show, client, self._back)

    # Inside.

    def _look_again(self) -> None:
        """Forget what was computed on another mesh."""
        self._mesh = self._layer.shape
        up = [0.0, 0.0, 1.0] if self._viewer.up is None else self._viewer.up.tolist()
        self.values = MeshValues(self._layer.shape, up, self._layer.attributes)
        self.vectors = MeshVectors(self.values)

    def _others(self) -> dict[str, Layer]:
        return {
            name: layer
            for name, layer in self._viewer.layers.items()
            if layer is not self._layer and isinstance(layer.shape, Mesh | PointCloud)
        }

    def _wish(self) -> Wish:
        name = self.quantity.value
        if name == _NONE:
            return Wish()
        if not self.several.value:
            self.sources = self.sources[-1:]
        if name == ALONG and not self.sources:
            self.sources = [int((self.values.mesh.vertices @ self.values.up).argmax())]
        other = None
        if name == APART and (layer := self._others().get(self.other.value)) is not None:
            self._other = layer.shape
            other = Other(layer.name, moved(layer.shape, lambda places: self._layer.own_places(layer.placed(places))))
        return Wish(name, int(self.number.value), tuple(self.sources), other)

    def _look(self) -> Look:
        look = Look(
            lines=int(self.lines.value),
            arrows=self.arrows.value,
            arrow_count=int(self.count.value),
            arrow_length=float(self.length.value) / 100,
        )
        if self._shown.values is None or self._shown.values.name != self.quantity.value:
            return look  # with colours and range that suit the new values
        limits = None
        if self.range.value == "by hand":
            limits = (float(self.low.value), float(self.high.value))
            limits = (min(limits), max(limits))
        around_zero = self.range.value == "around zero"
        return replace(look, colormap=self.colormap.value, limits=limits, around_zero=around_zero)

    def _show(self, painting: Painting) -> None:
        """Paint the mesh, unless it is another one by now, or gone."""
        if self._layer.shape is not self._mesh or self._viewer.layers.get(self._layer.name) is not self._layer:
            return
        self._shown = painting
        self._layer.known = {name: found.numbers for name, found in self.values.known.items()}
        self._layer.paint(painting.colors, painting.legend, painting.lines)
        if painting.values is None or painting.legend is None:
            return
        self._set(self.colormap, painting.look.colormap)
        if painting.look.limits is None:
            self._set(self.range, "around zero" if painting.look.around_zero else "automatic")
            self._set(self.low, painting.legend.low)
            self._set(self.high, painting.legend.high)
        self._fit()

    def _back(self) -> None:
        """What was asked for cannot be had: the controls say again what is shown."""
        shown = self._shown
        self._set(self.quantity, _NONE if shown.values is None else shown.values.name)
        self._set(self.arrows, shown.look.arrows)
        self._fit()

    def _chosen(self, event: Any) -> None:
        """Another quantity: its number starts at its usual place."""
        choice = self.values.choice(self.quantity.value)
        if choice is not None:
            self.number.label, self.number.min, self.number.max = choice.name, choice.first, choice.last
            self._set(self.number, choice.usual)
        if self.quantity.value == _NONE and self.arrows.value == "gradient":
            self._set(self.arrows, _NONE)
        self._moved(event)

    def _moved(self, event: Any) -> None:
        if event.client is not None or not self._quiet:
            self.refresh(event.client)

    def _guard(self, action: Callable[[Any], None], *handles: Any) -> None:
        guarded = self._viewer.guarded()(action)

        def run(event: Any) -> None:
            if event.client is None and self._quiet:  # inside of something that is guarded and tells of the change
                action(event)
            else:
                guarded(event)

        for handle in handles:
            handle.on_update(run)

    def _fit(self) -> None:
        """Show the controls that have something to say."""
        name = self.quantity.value
        choice = self.values.choice(name)
        if choice is not None and self.number.max != choice.last:
            self.number.max = choice.last
        for handle, wanted in (
            (self._options, name != _NONE),
            (self.number, choice is not None),
            (self.hint, name == ALONG),
            (self.several, name == ALONG),
            (self.other, name == APART),
            (self.low, self.range.value == "by hand"),
            (self.high, self.range.value == "by hand"),
            (self._arrow_options, self.arrows.value != _NONE),
        ):
            if handle.visible != wanted:
                handle.visible = wanted

    def _set(self, handle: Any, value: Any) -> None:
        with self._quietly():
            handle.value = value

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Controls that the program moves ask for nothing."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def moved(shape: Mesh | PointCloud, move: Callable[[Tensor], NDArray[np.float64]]) -> Mesh | PointCloud:
    """A mesh or points, float64, with every place where `move` takes it."""
    shape = shape.to(torch.float64)
    if isinstance(shape, Mesh):
        return shape.replace(vertices=torch.from_numpy(move(shape.vertices)))
    return shape.replace(points=torch.from_numpy(move(shape.points)))
