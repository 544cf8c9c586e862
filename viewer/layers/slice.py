"""A plane through a field or around a mesh, coloured by the values on it: distances, most often."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.fields.distance_field import DistanceField
from geokit.fields.field import Field
from geokit.geometry import Mesh, PointCloud
from geokit.geometry.level_lines import level_lines
from geokit.pipelines.colormap import diverging, viridis

from ..attributes import Attributes
from ..background import Background
from ..colors import legend_of, numbers_to_colors, usual_limits
from ..drawables import Segments
from ..numbers import round_number
from ..painting import INK
from ..turning import turned_shape
from ..values import DistanceTo
from .layer import Legend, Pick, box_of
from .picture import PictureLayer

if TYPE_CHECKING:
    import viser

_PIXELS = 224  # along the longer side
_STEPS = 200  # of the plane, along the longest side, or somewhat more
_PROBES = 20  # places along each side at which the range of the colours is found
_WIDER = 2.0  # than the deepest place inside: where the colours end outside
_AROUND = 0.15  # of a shape's extent, that its slice reaches beyond it
_OVERLAP = 0.3  # seconds that the former picture stays
_CHUNK = 1 << 17
_AXES = "xyz"

_Grid = tuple[Any, NDArray[np.float64]]  # values (H, W), after the plane and the function that they are of


class SliceLayer(PictureLayer):
    """Values on a plane across an axis. shape: a `Field` of space with one channel, or the distances to a shape.

    axis: 0, 1 or 2. position: of the plane along it, in the world. lines: of equal value, so many over the range of
    the colours; the one at zero is drawn thicker, where values have a sign.
    """

    kind = "slice"
    shape: Field | DistanceTo

    def __init__(self, name: str, shape: Field | DistanceTo, source: Path | None = None) -> None:
        super().__init__(name, shape, source)
        self.axis, self.lines = 2, 12
        self.title = "distance" if isinstance(shape, DistanceField | DistanceTo) else "value"
        self.step = round_number(float((self.box[1] - self.box[0]).max()) / _STEPS)
        self.position = self._middle(self.axis)
        self._grid: _Grid | None = None
        self._controls: tuple[Any, Any] | None = None  # of the axis and the position
        self._quiet = False

    @cached_property
    def box(self) -> NDArray[np.float64]:
        """(2, 3) where values are shown."""
        if isinstance(self.shape, Field):
            return self.shape.bounds.detach().cpu().double().numpy()
        return _box_around(self.shape.target)

    @cached_property
    def values(self) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """The function from places (N, 3) in the world to values (N,)."""
        shape = self.shape
        if isinstance(shape, DistanceTo):
            return lambda places: shape(torch.from_numpy(places))

        def of_field(places: NDArray[np.float64]) -> NDArray[np.float64]:
            given = torch.from_numpy(places).to(shape.bounds)
            with torch.no_grad():
                found = torch.cat([shape(some)[:, 0] for some in given.split(_CHUNK)])
            return found.cpu().double().numpy()

        return of_field

    @cached_property
    def _range(self) -> tuple[float, float]:
        """Of the colours: the same wherever the plane is. Of either sign, it is not far wider than what is inside."""
        axes = [np.linspace(a, b, _PROBES) for a, b in self.box.T]
        found = self.values(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
        if not ((found < 0).any() and (found > 0).any()):
            return usual_limits(found)
        most = min(usual_limits(found, symmetric=True)[1], _WIDER * float(-found.min()))
        return -most, most

    def replace(self, shape: Field | DistanceTo) -> None:
        """Slice another shape."""
        for name in ("box", "values", "_range"):
            self.__dict__.pop(name, None)
        self._grid = None
        super().replace(shape)
        self._tell_controls()

    def turned(self, matrix: NDArray[np.float64]) -> Attributes:
        """The distances to the moved shape, across the axis that is nearest to the moved plane's normal.

        Raises `InvalidInput` for a field, whose axes are those of its file.
        """
        if isinstance(self.shape, Field):
            raise InvalidInput(
                f"{self.name} shows a field, which cannot be turned, so nothing was; choose what is up under 'Up is'"
            )
        target = turned_shape(self.shape.target, matrix)
        rotation, middle = matrix[:3, :3], self.corners().mean(0)
        axis = int(np.argmax(np.abs(rotation[:, self.axis])))
        position = float((rotation @ middle + matrix[:3, 3])[axis])
        low, high = _box_around(target)[:, axis]
        return {"shape": DistanceTo(target), "axis": axis, "position": float(np.clip(position, low, high))}

    def move(self, axis: int, position: float) -> None:
        """Put the plane elsewhere; what lies outside of the box is put on its side."""
        self.axis, self.position = self._inside(axis, position)

    def _inside(self, axis: int, position: float) -> tuple[int, float]:
        return axis, float(np.clip(position, *self.box[:, axis]))

    def reach(self, axis: int) -> tuple[float, float]:
        """The lowest and the highest multiple of `step` inside the box."""
        low, high = self.box[:, axis] / self.step
        return self._rounded(math.ceil(low)), self._rounded(math.floor(high))

    def _rounded(self, steps: float) -> float:
        return round(steps * self.step, max(0, -math.floor(math.log10(self.step) + 1e-9)))

    def _middle(self, axis: int) -> float:
        low, high = self.reach(axis)
        return self._rounded(round((low + high) / 2 / self.step))

    @property
    def plane(self) -> tuple[int, float]:
        """(axis, position)."""
        return self.axis, self.position

    def corners(self, plane: tuple[int, float] | None = None) -> NDArray[np.float64]:
        """Of the rectangle where a plane (axis, position), by default the one that is shown, cuts the box."""
        axis, position = plane or self.plane
        u, v = (k for k in range(3) if k != axis)
        placed = np.full((4, 3), position)
        placed[:, u], placed[:, v] = self.box[[0, 1, 1, 0], u], self.box[[0, 0, 1, 1], v]
        return placed

    def places(self, plane: tuple[int, float] | None = None) -> NDArray[np.float64]:
        """(H, W, 3) the middles of the pixels of a plane, the first row on top."""
        corner, right, _, upper = self.corners(plane)
        sides = [float(np.linalg.norm(side - corner)) for side in (right, upper)]
        width, height = (max(2, round(_PIXELS * side / max(sides))) for side in sides)
        u, v = (np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height
        return corner + u[None, :, None] * (right - corner) + v[:, None, None] * (upper - corner)

    def grid(self) -> NDArray[np.float64]:
        """(H, W) the values at `places` of the plane that is shown; kept until it moves."""
        if self._grid is None or self._grid[0] != (self.plane, self.values):
            self._grid = self._work(self.plane)()
        return self._grid[1]

    def _work(self, plane: tuple[int, float]) -> Callable[[], _Grid]:
        """What computes the values on a plane, and says what they are of; needs nothing more of the layer."""
        places, values = self.places(plane), self.values
        return lambda: SliceLayer._computed(plane, places, values)

    @staticmethod
    def _computed(plane: tuple[int, float], places: NDArray[np.float64], values: Any) -> _Grid:
        return (plane, values), values(places.reshape(-1, 3)).reshape(places.shape[:2])

    def picture(self) -> NDArray[np.float64]:
        """The values as colours."""
        grid = self.grid()
        return numbers_to_colors(grid.reshape(-1), self.legend()).reshape(*grid.shape, 3)

    def legend(self) -> Legend:
        """Blue is inside, red outside, where values have a sign."""
        low, _ = self._range
        title = f"{self.title} at {_AXES[self.axis]} = {self.position:.4g}"
        return legend_of(title, np.zeros(0), diverging if low < 0 else viridis, self._range)

    def segments(self) -> dict[str, Segments]:
        """Lines of equal value, and the one at zero."""
        low, high = self._range
        found = {"zero": (np.zeros(1), 3.0)} if low < 0 else {}
        if self.lines and high > low:
            step, grid = (high - low) / (self.lines + 1), self.grid()
            numbers = np.arange(math.ceil(grid.min() / step), math.floor(grid.max() / step) + 1)
            found["lines"] = (numbers[(numbers != 0) | (low >= 0)] * step, 1.0)
        return {name: self._lines_at(levels, width) for name, (levels, width) in found.items()}

    def _lines_at(self, levels: NDArray[np.float64], width: float) -> Segments:
        places = self.places()
        rows, columns = places.shape[:2]
        number = np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = (x.reshape(-1) for x in (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]))
        faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
        flat = Mesh(torch.from_numpy(places.reshape(-1, 3)), torch.from_numpy(faces))
        ends = level_lines(flat, torch.from_numpy(self.grid().reshape(-1)), torch.from_numpy(levels)).ends.numpy()
        # Once a little before the picture and once behind it, so that it hides them from neither side.
        lift = np.zeros(3)
        lift[self.axis] = 5e-4 * float(np.linalg.norm(self.box[1] - self.box[0]))
        ends = np.concatenate([ends + lift, ends - lift])
        return Segments(ends, np.tile(INK, (len(ends), 1)), width)

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """Where the plane is, and how many lines."""
        axis = gui.add_dropdown("Across", tuple(_AXES), initial_value=_AXES[self.axis])
        position: Any = gui.add_slider("Position", *self.reach(self.axis), self.step, self.position)
        lines = gui.add_slider("Isolines", 0, 40, 1, self.lines)
        work = Background(viewer)

        @viewer.guarded(position, lines)
        def ask(event: Any) -> None:
            if self._quiet and event.client is None:  # it tells where the plane is, and asks for nothing
                return
            plane, count = self._inside(_AXES.index(axis.value), float(position.value)), int(lines.value)

            shape, work_of = self.shape, self._work(plane)

            def show(found: _Grid) -> None:  # until then all stays as it is
                if viewer.layers.get(self.name) is self and self.shape is shape:
                    self.lines, self._grid = count, found
                    self.move(*plane)
                    self.redraw(_OVERLAP)

            work.ask(f"a slice of {self.name}", work_of, show, event.client)

        @viewer.guarded(axis)
        def _(event: Any) -> None:
            if self._quiet and event.client is None:
                return
            number = _AXES.index(axis.value)
            position.min, position.max = self.reach(number)
            middle = self._middle(number)
            if position.value == middle:
                ask(event)
            else:
                position.value = middle

        self.work, self._controls = work, (axis, position)

    def _tell_controls(self) -> None:
        """Where the plane is now, if it was put there by others."""
        if self._controls is None:
            return
        axis, position = self._controls
        self._quiet = True
        try:
            axis.value = _AXES[self.axis]
            position.min, position.max = self.reach(self.axis)
            position.value = self.position
        finally:
            self._quiet = False

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """The value where the ray meets the plane."""
        found = self.place_hit(origin, direction)
        if found is None:
            return None
        place = origin + found[0] * direction
        return Pick(self, place, found[0], values={self.title: f"{float(self.values(place[None])[0]):.6g}"})


def _box_around(target: Mesh | PointCloud) -> NDArray[np.float64]:
    """(2, 3) where distances to a shape are shown."""
    around = box_of((target.vertices if isinstance(target, Mesh) else target.points).detach().cpu())
    # Around a shape without an extent there is a box too.
    margin = _AROUND * (float(np.linalg.norm(around[1] - around[0])) or max(1.0, float(np.abs(around).max())))
    return around + np.array([[-margin], [margin]])
