"""What a viewer is made of besides its layers: each part is made with the viewer and adds its own controls to it."""

from collections.abc import Callable
from typing import Any

from geokit.viewer.guides import Guides
from geokit.viewer.legends import Legends
from geokit.viewer.matching import Matching
from geokit.viewer.page.button import PageButton
from geokit.viewer.picked import Picked
from geokit.viewer.render_loop import RenderLoop
from geokit.viewer.values_part import MeshValuesOfLayers

PARTS: tuple[Callable[[Any], Any], ...] = (
    Matching,
    RenderLoop,
    PageButton,
    Legends,
    MeshValuesOfLayers,
    Picked,
    Guides,
)
