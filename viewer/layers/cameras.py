"""Cameras as frusta."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from geokit.viewer.drawables import Drawable, Segments
from geokit.viewer.frame import ViewFrame
from geokit.viewer.layers.layer import Layer, box_of
from numpy.typing import NDArray

from geokit.geometry import Cameras

if TYPE_CHECKING:
    import viser

_COLOR = (0.30, 0.45, 0.75)


class CamerasLayer(Layer):
    """Cameras. size: the distance between a camera's centre and the picture drawn for it, in world units."""

    kind = "cameras"
    shape: Cameras

    def __init__(self, name: str, shape: Cameras, source: Path | None = None) -> None:
        super().__init__(name, shape, source)
        self.size = 0.15 * shape.extent

    def bounds(self) -> NDArray[np.float64]:
        """The box around the centres."""
        return box_of(self.shape.centers.cpu())

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """One frustum a camera."""
        made: list[Any] = []
        for i, (width, height) in enumerate(self.shape.sizes):
            wxyz, position = frame.pose_to_view(self.shape.world_to_camera[i])
            fov = 2 * math.atan(height / 2 / float(self.shape.K[i, 1, 1]))
            made.append(
                scene.add_camera_frustum(
                    f"/{self.name}/{i:05d}",
                    fov,
                    width / height,
                    scale=self.size * frame.scale,
                    color=_COLOR,
                    wxyz=wxyz,
                    position=position,
                )
            )
        return made

    def drawables(self) -> list[Drawable]:
        """Eight lines a camera."""
        corners = (
            np.stack([self.corners(i) for i in range(len(self.shape))]) if len(self.shape) else np.zeros((0, 4, 3))
        )
        centers = np.broadcast_to(self.shape.centers.cpu().numpy()[:, None], corners.shape)
        ends = np.concatenate([np.stack([centers, corners], 2), np.stack([corners, np.roll(corners, 1, 1)], 2)], 1)
        ends = ends.reshape(-1, 2, 3)
        return [Segments(ends, np.tile(np.asarray(_COLOR), (len(ends), 1)))]

    def corners(self, i: int) -> NDArray[np.float64]:
        """(4, 3) the corners of the picture of camera `i`, in the world."""
        (width, height), K = self.shape.sizes[i], self.shape.K[i].cpu().numpy()
        pixels = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
        rays = pixels @ np.linalg.inv(K).T * self.size
        rotation = self.shape.world_to_camera[i, :3, :3].cpu().numpy()
        return rays @ rotation + self.shape.centers[i].cpu().numpy()
