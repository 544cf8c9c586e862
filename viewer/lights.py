"""The light of geokit's own pictures, for the browser."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import Cameras
from geokit.geometry.shading import Lighting

if TYPE_CHECKING:
    import viser

_FULL = math.pi  # intensity at which a white surface that faces a light is white
_BACK = 0.35  # of the key light: for those who walk around the shape
_FAR = 100.0


def light_scene(scene: viser.SceneApi, camera: Cameras, up: NDArray[np.float64]) -> None:
    """Key, fill, sky and ground as in `geokit.geometry.shading.Lighting`, as they stand for `camera`.

    The browser's lights stay where they are when its camera moves, so there is a weaker one from behind. camera: one.
    up: (3,) upwards in the world.
    """
    light, rotation = Lighting(), camera.world_to_camera[0, :3, :3].cpu().numpy()
    scene.configure_default_lights(False)
    scene.configure_environment_map(None)
    key, fill = (np.asarray(d) @ rotation for d in (light.key_direction, light.fill_direction))
    for name, direction, strength in (
        ("key", key, light.key),
        ("fill", fill, light.fill),
        ("back", -key, _BACK * light.key),
    ):
        place = direction / np.linalg.norm(direction) * _FAR
        scene.add_light_directional(f"/.lights/{name}", intensity=_FULL * strength, position=place)
    ground = round(255 * light.ground / light.sky)
    scene.add_light_hemisphere(
        "/.lights/sky", ground_color=(ground,) * 3, intensity=_FULL * light.sky, position=up * _FAR
    )
