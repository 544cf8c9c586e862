"""A flat picture in the scene: what slices and images are drawn as."""

from __future__ import annotations

from abc import abstractmethod
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.geometry.rotations import quaternion_from_matrix

from ..drawables import Drawable, Segments, Triangles
from ..frame import ViewFrame
from ..lines import add_lines
from .layer import Layer

if TYPE_CHECKING:
    import viser

_UV = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], np.float64)
_FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int64)


class PictureLayer(Layer):
    """A rectangle with a picture on it, unlit, seen from both sides, and lines over it."""

    def __init__(self, name: str, shape: Any, source: Path | None = None) -> None:
        super().__init__(name, shape, source)
        self._turns = count()

    @abstractmethod
    def corners(self) -> NDArray[np.float64]:
        """(4, 3) in the world: lower left, lower right, upper right, upper left of the picture."""

    @abstractmethod
    def picture(self) -> NDArray[np.float64]:
        """(H, W, 3) or (H, W, 4), sRGB in [0, 1], first row on top."""

    def segments(self) -> dict[str, Segments]:
        """Lines on the picture, by name."""
        return {}

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """An image, whose colours the browser leaves as they are, and the lines."""
        root = f"/{self.name}/{next(self._turns)}"
        placed = frame.to_view(self.corners()).astype(np.float64)
        across, downwards = placed[1] - placed[0], placed[0] - placed[3]
        width, height = float(np.linalg.norm(across)), float(np.linalg.norm(downwards))
        x, y = across / width, downwards / height
        turned = quaternion_from_matrix(torch.from_numpy(np.stack([x, y, np.cross(x, y)], 1))).numpy()
        pixels = (self.picture() * 255).round().astype(np.uint8)
        image = scene.add_image(
            root, pixels, width, height, format="png", cast_shadow=False, receive_shadow=False,
            wxyz=turned, position=placed.mean(0),
        )  # fmt: skip
        made: list[Any] = [image]
        for name, some in self.segments().items():
            if len(some.ends):
                made.append(add_lines(scene, f"{root} {name}", some, frame))
        return made

    def drawables(self) -> list[Drawable]:
        """The textured rectangle and the lines."""
        grey = np.full((4, 3), 0.5)
        flat = Triangles(self.corners(), _FACES, grey, uv=_UV, texture=self.picture(), shading="unlit")
        return [flat, *self.segments().values()]

    def bounds(self) -> NDArray[np.float64]:
        """The box around the corners."""
        corners = self.corners()
        return np.stack([corners.min(0), corners.max(0)])

    def place_hit(
        self, origin: NDArray[np.float64], direction: NDArray[np.float64]
    ) -> tuple[float, float, float] | None:
        """(distance, across, upwards) where a ray meets the rectangle, in shares of it; None elsewhere."""
        corner, right, _, upper = self.corners()
        across, upwards = right - corner, upper - corner
        normal = np.cross(across, upwards)
        slope = float(direction @ normal)
        if abs(slope) < 1e-12 * float(np.linalg.norm(normal)):
            return None
        distance = float((corner - origin) @ normal) / slope
        place = origin + distance * direction - corner
        u, v = (float(place @ axis) / float(axis @ axis) for axis in (across, upwards))
        return (distance, u, v) if distance > 0 and 0 <= u <= 1 and 0 <= v <= 1 else None
