"""Distances and angles between places that were clicked: what they are, how they read, how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.io.formats import unit_of

from ..frame import ViewFrame
from ..layers.layer import Pick
from ..layers.mesh import MeshLayer
from .surface_way import SurfaceWay, surface_way

if TYPE_CHECKING:
    import viser

LINE, WAY = (224, 96, 32), (40, 110, 200)  # orange: straight; blue: along the surface
_DOT, _PIXELS = 0.02, 3.0  # radius in view units; the width of a line
_ABOVE = 0.002  # of the mesh's size: a way is drawn so much above it, not to be half sunk in


@dataclass(frozen=True)
class Measurement:
    """points: (2, 3) the ends, or (3, 3) with the corner of an angle in the middle, in the world.

    way: along the surface from end to end, where both lie on one mesh and are connected: its places and normals in the
    world, its length in `unit`; it is drawn higher by `above`, in world units. unit: of lengths, in words. scale: how
    many world units it has, where a shape is shown larger or smaller than it is.
    """

    points: NDArray[np.float64]
    unit: str
    way: SurfaceWay | None = None
    above: float = 0.0
    scale: float = 1.0

    @property
    def straight(self) -> float:
        """The distance of the ends, in `unit`."""
        return float(np.linalg.norm(self.points[-1] - self.points[0])) / self.scale

    @property
    def along(self) -> float | None:
        """The length of the way along the surface, in `unit`."""
        return None if self.way is None else self.way.length

    @property
    def angle(self) -> float | None:
        """At the middle point, in radians; None of two points, nan where an arm has no length."""
        if len(self.points) < 3:
            return None
        a, b = self.points[0] - self.points[1], self.points[2] - self.points[1]
        return float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)) if a.any() and b.any() else float("nan")

    @property
    def label(self) -> str:
        """As it stands beside the line."""
        if self.angle is not None:
            return f"{np.degrees(self.angle):.2f}°"
        return f"{self.straight:.5g}" if self.along is None else f"{self.straight:.5g} ({self.along:.5g} along)"

    @property
    def text(self) -> str:
        """As it stands in the list."""
        if self.angle is not None:
            return f"angle {np.degrees(self.angle):.2f}°"
        return f"distance {self.straight:.6g}" + ("" if self.along is None else f", along the surface {self.along:.6g}")

    def moved(self, matrix: NDArray[np.float64]) -> Measurement:
        """The same, moved by a rigid (4, 4)."""
        rotation, shift = matrix[:3, :3].T, matrix[:3, 3]
        way = self.way
        if way is not None:
            way = replace(way, places=way.places @ rotation + shift, normals=way.normals @ rotation)
        return replace(self, points=self.points @ rotation + shift, way=way)

    def draw(self, scene: viser.SceneApi, frame: ViewFrame, name: str) -> list[Any]:
        """Dots, lines and the label below `name`."""
        points = frame.to_view(self.points)
        lines = np.stack([points[:-1], points[1:]], 1)
        middle = points[1] if len(points) == 3 else points.mean(0)
        nodes: list[Any] = [
            *draw_dots(scene, points, name),
            scene.add_line_segments(f"{name}/line", lines, LINE, thickness=_PIXELS, thickness_units="screen"),
            scene.add_label(f"{name}/label", self.label, position=middle, anchor="bottom-center"),
        ]
        if self.way is not None:
            way = frame.to_view(self.way.places + self.above * self.way.normals)
            ways = np.stack([way[:-1], way[1:]], 1)
            nodes.append(scene.add_line_segments(f"{name}/way", ways, WAY, thickness=_PIXELS, thickness_units="screen"))
        return nodes


def draw_dots(scene: viser.SceneApi, points: NDArray[np.float32], name: str) -> list[Any]:
    """A small ball at every place (N, 3), in view coordinates."""
    return [
        scene.add_icosphere(f"{name}/dot{i}", _DOT, LINE, position=point, cast_shadow=False, receive_shadow=False)
        for i, point in enumerate(points)
    ]


def measure(picks: Sequence[Pick]) -> Measurement:
    """Between two places, or the angle at the second of three; on one mesh in its own unit, however it is shown."""
    points = np.stack([pick.point for pick in picks])
    first, last = picks[0], picks[-1]
    if len(picks) == 2 and first.layer is last.layer and isinstance(first.layer, MeshLayer):
        layer, mesh = first.layer, first.layer.shape.to("cpu").to(torch.float64)
        way = surface_way(mesh, (first.element, last.element), (first.weights, last.weights))
        if way is not None:
            way = replace(way, places=layer.placed(way.places), normals=way.normals @ layer.turn.T / layer.scale)
        return Measurement(points, _unit(picks), way, _ABOVE * mesh.extent * layer.scale, layer.scale)
    return Measurement(points, _unit(picks))


def _unit(picks: Sequence[Pick]) -> str:
    layers = {pick.layer for pick in picks}
    if len(layers) > 1 and any(isinstance(layer, MeshLayer) and not np.isclose(layer.scale, 1) for layer in layers):
        return "as shown, a shape is scaled"
    units = {unit_of(layer.source) if layer.source else "the file's own" for layer in layers}
    return units.pop() if len(units) == 1 else "the files' own"
