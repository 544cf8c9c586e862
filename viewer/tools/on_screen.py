"""Which elements of a layer a client sees in a rectangle of its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool2d

from geokit.geometry import Cameras

from ..drawables import Drawable
from ..render_scene import seen_depth

_BEHIND = 0.01  # of the depth: what lies so little behind the surface still belongs to it
_LARGEST = 1_000_000  # pixels of the picture in which is looked for what hides what


def in_rectangle(
    points: NDArray[np.float64], camera: Cameras, low: tuple[float, float], high: tuple[float, float]
) -> NDArray[np.bool_]:
    """(N,) whether points (N, 3) of the world fall into a rectangle of the picture.

    low, high: its corners, in shares of the picture's width and height from the upper left.
    """
    pixels, depth = project(points, camera)
    share = pixels / np.asarray(camera.sizes[0])
    return (depth > 0) & (share >= low).all(1) & (share <= high).all(1)


@dataclass(frozen=True)
class Sight:
    """What hides things from a camera. limit: (H, W) the depth in its picture up to which nothing is hidden."""

    camera: Cameras
    limit: NDArray[np.float32]

    @classmethod
    def of(cls, camera: Cameras, drawables: Sequence[Drawable]) -> Sight:
        """By what is drawn, rendered once."""
        width, height = camera.sizes[0]
        camera = camera.scaled(min(1.0, (_LARGEST / (width * height)) ** 0.5))
        nearest = seen_depth(drawables, camera)
        # The deepest of the pixels around: on a slope the middle of a face is not where its pixel's centre looks.
        finite = torch.where(torch.isfinite(nearest), nearest, -torch.inf)
        around = max_pool2d(finite[None, None], 3, 1, 1)[0, 0]
        return cls(camera, torch.where(torch.isfinite(around), around, torch.inf).numpy())

    def unhidden(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) whether points (N, 3) of the world are in the picture and nothing hides them."""
        pixels, depth = project(points, self.camera)
        inside = (depth > 0) & (pixels >= 0).all(1) & (pixels < self.camera.sizes[0]).all(1)
        x, y = (np.where(inside, pixels[:, axis], 0).astype(int) for axis in (0, 1))
        return inside & (depth <= self.limit[y, x] * (1 + _BEHIND))


def project(points: NDArray[np.float64], camera: Cameras) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels (N, 2) and depths (N,) of points (N, 3) of the world; of what is behind the camera the depth is not
    positive, and the pixel means nothing."""
    pose, K = camera.world_to_camera[0].cpu().numpy(), camera.K[0].cpu().numpy()
    seen = points @ pose[:3, :3].T + pose[:3, 3]
    depth = seen[:, 2]
    safe = np.where(depth > 0, depth, 1.0)
    return seen[:, :2] / safe[:, None] * K[[0, 1], [0, 1]] + K[:2, 2], depth
