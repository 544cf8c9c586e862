"""A map between two meshes that stand beside each other: colours carried over, lines, and the images of places."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import farthest_points
from geokit.pipelines.map_errors import MapErrors, map_errors
from geokit.pipelines.map_file import PointMap
from geokit.spectral.match_quality import reached
from geokit.spectral.match_shape import vertex_areas

from ..asking import Asked, answer, ask
from ..attributes import Attributes
from ..colors import numbers_to_colors
from ..drawables import Drawable, Points, Segments
from ..frame import ViewFrame
from ..map_colors import PALE, Coloring, error_legend, place_colors, plain
from ..side_by_side import differs, offset_beside, rightwards, turn_alike
from .layer import Layer, united, upwards
from .mesh import MeshLayer

if TYPE_CHECKING:
    import viser

    from ..match_folders import Collection

MOST_LINES = 200
_INK, _TRUE = (0.10, 0.10, 0.13), (0.10, 0.62, 0.35)
_MARKER = 0.011  # radius over the diagonal of the first shape
_SHOWN_IMAGES = 20  # of one place


class CorrespondencesLayer(Layer):
    """The map of two mesh layers. known: (L, 2) vertices of the first and the second that are known to correspond.

    apart: how far the second stands to the right, see `offset_beside`. aligned: whether it is turned and scaled as the
    first stands. lines: how many lines between corresponding places. note: a sentence about the map. collection, pair:
    the matches that this is one of, if there are more, and what it is called there.
    """

    kind = "map"
    shape: PointMap

    def __init__(
        self,
        name: str,
        shape: PointMap,
        first: MeshLayer,
        second: MeshLayer,
        known: Tensor | None = None,
        source: Path | None = None,
        note: str = "",
    ) -> None:
        super().__init__(name, shape, source)
        self.first, self.second, self.known, self.note = first, second, known, note
        self.coloring: Coloring = "by place"
        self.lines, self.apart = 30, 1.2
        self.asked: Asked | None = None
        self.collection: Collection | None = None
        self.pair = ""
        self.up = upwards(first.elements())
        self.right = rightwards(self.up)
        self._shown_as: tuple[object, ...] = ()
        images = self._places(first)[shape.p2p_21.numpy()]
        self._alike = turn_alike(first.shape, second.shape, images, self.up, upwards(second.elements()))
        self.aligned = differs(self._alike)
        self.place()
        self.paint()

    @staticmethod
    def _places(layer: MeshLayer) -> NDArray[np.float64]:
        return layer.shape.vertices.detach().cpu().double().numpy()

    # What is known of the map.

    @cached_property
    def errors(self) -> MapErrors | None:
        """How far the map is from the truth, where that is known."""
        return None if self.known is None else map_errors(self.shape.p2p_21, self.first.shape, self.known)

    @cached_property
    def reached(self) -> NDArray[np.bool_]:
        """(N1,) the vertices of the first shape that something goes to, or to a neighbour of theirs."""
        return reached(self.first.shape, self.shape.p2p_21).numpy()

    @property
    def coverage(self) -> float:
        """The share of the first shape's area that is reached."""
        areas = vertex_areas(self.first.shape).numpy()
        return float(areas[self.reached].sum() / max(areas.sum(), 1e-300))

    @cached_property
    def _samples(self) -> NDArray[np.int64]:
        """Vertices of the second shape, the first of them spread over it however many are taken."""
        vertices = self.second.shape.vertices.double()
        return farthest_points(vertices, min(MOST_LINES, len(vertices))).numpy()

    @property
    def fits(self) -> bool:
        """Have the meshes still the vertices that the map is between?"""
        second = len(self.shape.p2p_21)
        reach = int(self.shape.p2p_21.max()) if self.shape.p2p_12 is None else len(self.shape.p2p_12) - 1
        return len(self.second.shape.vertices) == second and len(self.first.shape.vertices) > reach

    def colorings(self) -> list[Coloring]:
        """What the colours can say."""
        every: list[Coloring] = ["by place", "coverage", "error", "their own"]
        return [one for one in every if one != "error" or self.known is not None]

    # What is shown.

    def replace(self, shape: PointMap) -> None:
        """Show another map between the two, beside each other as they are now."""
        for name in ("errors", "reached"):
            self.__dict__.pop(name, None)
        self.shape = shape
        if self.fits:
            self.place()
        else:
            self.redraw()

    def turned(self, matrix: NDArray[np.float64]) -> Attributes:
        """The same map, with the directions along which the shapes stand turned."""
        rotation = matrix[:3, :3]
        return {
            "shape": self.shape,
            "up": rotation @ self.up,
            "right": rotation @ self.right,
            "_alike": rotation @ self._alike @ rotation.T,
        }

    def place(self) -> None:
        """Put the second shape beside the first."""
        self.second.turn = self._alike if self.aligned else np.eye(3)
        self.second.offset = np.zeros(3)
        first, second = (layer.placed(layer.shape.vertices) for layer in (self.first, self.second))
        self.second.offset = offset_beside(first, second, self.up, self.right, self.apart)
        self.second.redraw()
        self.redraw()

    def paint(self) -> None:
        """Colour both shapes as `coloring` says."""
        if self.coloring == "their own":
            self.first.paint(None)
            self.second.paint(None)
        elif self.coloring == "error" and self.errors is not None:
            values = 100 * self.errors.at_vertices(self.second.shape.vertices).numpy()
            scale = error_legend(values)
            self.first.paint(plain(len(self.first.shape.vertices)))
            self.second.paint(numbers_to_colors(values, scale), scale)
        else:
            own, carried = place_colors(self.shape, self.first.shape)
            own = np.where(self.reached[:, None], own, PALE) if self.coloring == "coverage" else own
            self.first.paint(own)
            self.second.paint(carried)
        self.redraw()

    def follow(self, there: bool) -> None:
        """The scene is another one; there: whether both meshes are in it. Draws again what no longer fits."""
        whole = there and self.fits
        state = (whole, self.first.shape, self.second.shape, self.first.visible, self.second.visible)
        if len(state) == len(self._shown_as) and all(a is b for a, b in zip(state, self._shown_as)):
            return
        lost, self._shown_as = bool(self._shown_as) and not self._shown_as[0], state
        if not whole:
            self.asked = None
        elif lost:
            self.paint()  # edits that changed the number of vertices took the colours away
        self.redraw()

    def bounds(self) -> NDArray[np.float64]:
        """The box around both shapes."""
        return united([self.first.bounds(), self.second.bounds()])

    def _drawn(self) -> bool:
        whole = not self._shown_as or bool(self._shown_as[0])
        return whole and self.fits and self.first.visible and self.second.visible

    def segments(self) -> Segments:
        """The lines between corresponding places, in the colour of the second shape's end."""
        chosen = self._samples[: self.lines] if self._drawn() else self._samples[:0]
        first, second = (layer.placed(layer.shape.vertices) for layer in (self.first, self.second))
        ends = np.stack([first[self.shape.p2p_21.numpy()[chosen]], second[chosen]], 1)
        mesh = self.second.shown()
        colors = np.tile(np.asarray(_INK), (len(chosen), 1)) if mesh.colors is None else mesh.colors.numpy()[chosen]
        return Segments(ends, colors)

    def markers(self) -> tuple[Points, Segments]:
        """What was clicked on, its images, and the lines between them."""
        asked = self.asked if self._drawn() else None
        size = 2 * _MARKER * float(np.linalg.norm(np.subtract(*self.first.bounds())))
        if asked is None:
            return Points(np.zeros((0, 3)), np.zeros((0, 3)), size), Segments(np.zeros((0, 2, 3)), np.zeros((0, 3)))
        layers = (self.first, self.second)
        own, other = (layer.placed(layer.shape.vertices) for layer in (layers[asked.side], layers[1 - asked.side]))
        images = other[list(asked.images[:_SHOWN_IMAGES])]
        ends = np.stack([np.broadcast_to(own[asked.vertex], images.shape), images], 1)
        places, colors = [own[asked.vertex][None], images], [_INK] * (1 + len(images))
        if asked.true is not None:
            places, colors = [*places, other[asked.true][None]], [*colors, _TRUE]
        return Points(np.concatenate(places), np.asarray(colors), size), Segments(ends, np.tile(_INK, (len(ends), 1)))

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """Lines and balls."""
        points, marked = self.markers()
        made: list[Any] = []
        for name, lines, width in (("lines", self.segments(), 1.5), ("marked", marked, 3.0)):
            if len(lines.ends):
                colors = _bytes(lines.colors)[:, None].repeat(2, 1)
                ends = frame.to_view(lines.ends)
                node = scene.add_line_segments(
                    f"/{self.name}/{name}", ends, colors, thickness=width, thickness_units="screen"
                )
                made.append(node)
        for i, (place, color) in enumerate(zip(frame.to_view(points.points), _bytes(points.colors))):
            ball = scene.add_icosphere(
                f"/{self.name}/ball {i}",
                points.size / 2 * frame.scale,
                color,
                position=place.astype(np.float64),
                cast_shadow=False,
                receive_shadow=False,
            )
            made.append(ball)
        return made

    def drawables(self) -> list[Drawable]:
        """Lines and marked places as they are shown."""
        points, marked = self.markers()
        pieces: list[Drawable] = [lines for lines in (self.segments(), marked) if len(lines.ends)]
        return [*pieces, *([points] if len(points.points) else [])]

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """Colours, lines, where the second shape stands, and what is known of the map."""
        from ..map_panel import MapPanel

        if viewer.up is not None and not np.allclose(viewer.up, self.up):
            self.up = np.asarray(viewer.up, np.float64)
            self.right = rightwards(self.up)
            self.place()
        self.panel = MapPanel(self, gui, viewer)

    # Asking.

    def ask(self, side: int, vertex: int) -> Asked:
        """Mark a vertex of the first (0) or second (1) shape and what it corresponds to."""
        self.asked = ask(self.shape, self.first.shape, self.known, side, vertex)
        self.redraw()
        return self.asked

    def answer(self) -> str:
        """What was asked and found, in a sentence; empty where nothing was."""
        names = (self.first.name, self.second.name)
        return "" if self.asked is None else answer(self.asked, self.shape, self.first.shape, names)


def _bytes(colors: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (np.asarray(colors).reshape(-1, 3) * 255).round().astype(np.uint8)
