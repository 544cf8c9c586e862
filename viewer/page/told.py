"""What a page is told of layers, the camera and the light, as JSON holds it."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import Cameras
from geokit.geometry.shading import Lighting

from ..frame import ViewFrame
from ..layers.layer import Layer, Legend
from .splats import MOST_WAVES

_BAR = 24  # colours of a legend
_LEVEL = 0.02  # radians of roll that are taken for none


def told_layer(layer: Layer, splats: bool) -> dict[str, Any]:
    """Name, legend and the like. splats: it has nothing else, and of these the page shows colours, no numbers."""
    legend = None if splats else layer.legend()
    waves = getattr(layer.shape, "waves", 0)
    note = f"the {MOST_WAVES} strongest of {waves} waves" if waves > MOST_WAVES else ""
    return {
        "name": layer.name,
        "kind": layer.kind,
        "visible": layer.visible,
        "note": note,
        "legend": None if legend is None else _legend(legend),
    }


def _legend(legend: Legend) -> dict[str, Any]:
    places = np.linspace(0, len(legend.colors) - 1, min(_BAR, len(legend.colors))).round().astype(int)
    shades = (np.asarray(legend.colors)[places].clip(0, 1) * 255).round().astype(int)
    return {
        "title": legend.title,
        "low": f"{legend.low:.4g}",
        "high": f"{legend.high:.4g}",
        "colors": ["#{:02x}{:02x}{:02x}".format(*shade) for shade in shades],
    }


def told_camera(camera: Cameras, frame: ViewFrame, up: NDArray[np.float64] | None, distance: float) -> dict[str, Any]:
    """In view coordinates: where it is, what it turns around, upwards; focal length and picture in pixels."""
    pose = camera.world_to_camera[0].cpu().numpy()
    right, down, forward = pose[:3, :3]
    eye = camera.centers[0].cpu().numpy()
    if up is None or np.linalg.norm(up) == 0:
        up = -down
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    if abs(float(right @ up)) > _LEVEL or float(down @ up) > -_LEVEL:
        up = -down
    return {
        "position": frame.to_view(eye).tolist(),
        "target": frame.to_view(eye + forward * distance).tolist(),
        "up": [float(x) for x in up],
        "focal": float(camera.K[0, 1, 1]),
        "size": list(camera.sizes[0]),
    }


def told_lighting() -> dict[str, Any]:
    """The lights of geokit's own pictures."""
    lights = dataclasses.asdict(Lighting())
    for name in ("key_direction", "fill_direction"):
        direction = np.asarray(lights[name])
        lights[name] = (direction / np.linalg.norm(direction)).tolist()
    return lights
