"""Where a scene is looked at from first: which way is up, and a camera that sees everything."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.geometry import Cameras, frame_camera

from .layers.layer import Layer, united


def upward(layers: Iterable[Layer]) -> NDArray[np.float64]:
    """(3,) upwards in the world: of a layer that knows it, else from the first that has a shape; z without one."""
    layers = list(layers)
    for layer in layers:
        known = layer.upwards()
        if known is not None:
            return known
    for layer in layers:
        likely = layer.likely_upwards()
        if likely is not None:
            return likely
    return np.array([0.0, 0.0, 1.0])


def home_camera(layers: Iterable[Layer], up: NDArray[np.float64], width: int = 640, height: int = 480) -> Cameras:
    """A camera of the world that shows all visible layers, a little from the side and from above."""
    visible = [layer for layer in layers if layer.visible]
    low, high = united([layer.bounds() for layer in visible])
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    camera = frame_camera(torch.from_numpy(corners), view_direction(up), tuple(up), width, height)
    for layer in visible:
        camera = layer.clear_view(camera)
    return camera


def distance_to_middle(layers: Iterable[Layer], camera: Cameras) -> float:
    """From a camera to the middle of what is visible, along its axis; in world units, never zero."""
    low, high = united([layer.bounds() for layer in layers if layer.visible])
    along = float(((low + high) / 2 - camera.centers[0].cpu().numpy()) @ camera.forwards[0].cpu().numpy())
    return max(along, 1e-3 * float(np.linalg.norm(high - low)), 1e-9)


def view_direction(up: NDArray[np.float64]) -> tuple[float, float, float]:
    """From the shape to a camera that looks at it a little from the side and from above."""
    up = up / np.linalg.norm(up)
    side = np.eye(3)[int(np.argmin(np.abs(up)))]
    side = side - (side @ up) * up
    side /= np.linalg.norm(side)
    front = np.cross(side, up)
    forward = (0, 0, 1) if abs(up[1]) > 0.7 else (0, -1, 0)  # where shapes look by custom: y up, z up
    if front @ forward < 0:
        side, front = -side, -front
    x, y, z = 0.5 * side + 1.0 * front + 0.35 * up
    return float(x), float(y), float(z)
