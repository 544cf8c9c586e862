"""What a viewer is made of besides its layers: each part is made with the viewer and adds its own controls to it."""

from collections.abc import Callable
from typing import Any

from geokit.viewer.camera_tour import CameraTour

PARTS: tuple[Callable[[Any], Any], ...] = (CameraTour,)
