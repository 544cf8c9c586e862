"""What a viewer is made of besides its layers: each part is made with the viewer and adds its own controls to it."""

from collections.abc import Callable
from typing import Any

from geokit.viewer.matching import Matching
from geokit.viewer.page.button import PageButton
from geokit.viewer.render_loop import RenderLoop

PARTS: tuple[Callable[[Any], Any], ...] = (
    Matching,
    RenderLoop,
    PageButton,
)
