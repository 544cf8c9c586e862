"""Point clouds: their own colours, one colour, or those of a coordinate, a normal or a feature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import PointCloud
from geokit.geometry.render_mesh import CLAY

from ..colors import from_picker, in_bytes, legend_of, numbers_to_colors
from ..drawables import Drawable, Points
from ..frame import ViewFrame
from .layer import Layer, Legend, Pick, box_of

if TYPE_CHECKING:
    import viser

_REACH = 2.0  # of a click, in diameters of a point
_COLORS, _PLAIN, _AXES, _NORMALS = "colors", "one colour", ("x", "y", "z"), "normals"


class PointsLayer(Layer):
    """Points. attribute: what their colours say. size: the diameter in world units."""

    kind = "points"
    shape: PointCloud

    def __init__(
        self, name: str, shape: PointCloud, source: Path | None = None, feature_names: Sequence[str] = ()
    ) -> None:
        super().__init__(name, shape, source)
        self.feature_names = list(feature_names) or _numbered(shape)
        self.attribute = self.attributes()[0]
        # About the spacing of points on a surface that fills the box.
        self.size = 0.9 * shape.extent / max(len(shape), 1) ** 0.5 or 1e-6
        self.color = CLAY
        self._legend: Legend | None = None
        self._menu: Any = None  # of the attributes

    def attributes(self) -> list[str]:
        """What the colours can say, the best first."""
        there = [_COLORS] if self.shape.colors is not None else []
        there += [_PLAIN, *_AXES]
        there += [_NORMALS] if self.shape.normals is not None else []
        return there + self._shown_names()

    def _shown_names(self) -> list[str]:
        """Of the features: a name that means something else already says that it comes from the file."""
        taken = (_COLORS, _PLAIN, *_AXES, _NORMALS)
        return [f"{name} (file)" if name in taken else name for name in self.feature_names]

    @cached_property
    def _points(self) -> NDArray[np.float64]:
        return self.shape.points.detach().cpu().double().numpy()

    def replace(self, shape: PointCloud) -> None:
        """Show other points; what they do not have any more cannot colour them."""
        self.__dict__.pop("_points", None)
        columns = 0 if shape.features is None else shape.features.shape[1]
        if columns != len(self.feature_names):
            self.feature_names = _numbered(shape)
        self.shape = shape
        if self.attribute not in self.attributes():
            self.attribute = self.attributes()[0]
        super().replace(shape)
        wanted, menu = self.attribute, self._menu
        if menu is not None and list(menu.options) != self.attributes():
            menu.options = self.attributes()  # which may choose another one
            menu.value = wanted

    def colors(self) -> NDArray[np.float64]:
        """(N, 3) sRGB in [0, 1] of the attribute; sets the legend."""
        self._legend = None
        if self.attribute == _COLORS and self.shape.colors is not None:
            return self.shape.colors.detach().cpu().double().numpy()
        if self.attribute == _NORMALS and self.shape.normals is not None:
            return (self.shape.normals.detach().cpu().double().numpy() + 1) / 2
        named = self._shown_names()
        if self.attribute in _AXES:
            values = self._points[:, _AXES.index(self.attribute)]
        elif self.attribute in named and self.shape.features is not None:
            values = self.shape.features[:, named.index(self.attribute)].detach().cpu().double().numpy()
        else:
            return np.tile(np.asarray(self.color, np.float64), (len(self.shape), 1))
        self._legend = legend_of(self.attribute, values)
        return numbers_to_colors(values, self._legend)

    def legend(self) -> Legend | None:
        """Of the attribute, where it is a number."""
        return self._legend

    def bounds(self) -> NDArray[np.float64]:
        """The box around the points."""
        return box_of(self._points)

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """One node."""
        if not len(self.shape):
            return []
        return [
            scene.add_point_cloud(
                f"/{self.name}",
                frame.to_view(self._points),
                (self.colors() * 255).round().astype(np.uint8),
                point_size=_drawn(self.size, frame),
                point_shape="rounded",
                precision="float32",
            )
        ]

    def resize(self, size: float) -> None:
        """Draw the points with another diameter; the browser keeps their places and colours."""
        self.size = size
        for node in self._nodes:
            cast("viser.PointCloudHandle", node).point_size = _drawn(size, self._frame)

    def drawables(self) -> list[Drawable]:
        """The points as they are shown."""
        return [Points(self._points, self.colors(), self.size)]

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """Size and colours."""
        size = gui.add_slider("Size", 0.1, 5.0, 0.1, 1.0, hint="in the distance that points have from each other")
        attribute = self._menu = gui.add_dropdown("Colour by", self.attributes(), initial_value=self.attribute)
        color = gui.add_rgb("Colour", in_bytes(self.color))
        first = self.size

        @viewer.guarded(size, attribute, color)
        def _(_: Any) -> None:
            if self.size != first * size.value:
                self.resize(first * size.value)
            before = self._look()
            self.attribute, self.color = attribute.value, from_picker(color.value, self.color)
            if self._look() != before:
                self.redraw()

    def _look(self) -> tuple[Any, ...]:
        """What the drawn colours depend on."""
        return self.attribute, self.color if self.attribute == _PLAIN else None

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """The first point whose disc the ray meets, if it is large enough to be met, else one very near to it."""
        found = first_along(self._points, origin, direction, self.size / 2 * _REACH)
        if found is None:
            return None
        i, distance = found
        place = self._points[i]
        values = {"point": f"{i:,}"}
        for k, name in enumerate(self._shown_names()):
            values[name] = f"{float(self.shape.features[i, k]):.6g}"  # type: ignore[index]
        return Pick(self, place, distance, i, None, values)

    def elements(self) -> NDArray[np.float64]:
        """The points."""
        return self._points

    def kept(self, mask: NDArray[np.bool_]) -> PointCloud:
        """The points of `mask`."""
        import torch

        return self.shape[torch.from_numpy(mask)]


def _drawn(size: float, frame: ViewFrame) -> float:
    """A diameter as viser takes it: it draws points twice as wide as its number."""
    return size / 2 * frame.scale


def _numbered(cloud: PointCloud) -> list[str]:
    """Names for features that have none."""
    return [f"feature {i}" for i in range(0 if cloud.features is None else cloud.features.shape[1])]


def first_along(
    points: NDArray[np.float64], origin: NDArray[np.float64], direction: NDArray[np.float64], radius: float
) -> tuple[int, float] | None:
    """(number, distance along the ray) of the first of `points` (N, 3) within `radius` of the ray, or within a
    hundredth of its distance from the eye; None without one."""
    offsets = points - origin
    along = offsets @ direction
    squared = (offsets * offsets).sum(1) - along * along
    reach = np.maximum(radius, 0.005 * along)
    near = (along > 0) & (squared < reach * reach)
    if not near.any():
        return None
    candidates = np.flatnonzero(near)
    best = candidates[np.argmin(along[candidates] + 10 * np.sqrt(np.maximum(squared[candidates], 0)))]
    return int(best), float(along[best])
