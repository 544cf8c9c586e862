"""What a viewer is made of besides its layers: each part is made with the viewer and adds its own controls to it."""

from collections.abc import Callable
from typing import Any

from geokit.viewer.camera_tour import CameraTour
from geokit.viewer.guides import Guides
from geokit.viewer.legends import Legends
from geokit.viewer.matching import Matching
from geokit.viewer.page.button import PageButton
from geokit.viewer.picked import Picked
from geokit.viewer.render_loop import RenderLoop
from geokit.viewer.tools.camera_path import CameraPathTool
from geokit.viewer.tools.crop import CropTool
from geokit.viewer.tools.measure import MeasureTool
from geokit.viewer.tools.save import SaveTool
from geokit.viewer.tools.screenshot import ScreenshotTool
from geokit.viewer.tools.select import SelectTool
from geokit.viewer.tools.undo import UndoTool
from geokit.viewer.tools.up_axis import UpAxisTool
from geokit.viewer.values_part import MeshValuesOfLayers

# In the order in which their controls stand.
PARTS: tuple[Callable[[Any], Any], ...] = (
    Legends,
    MeshValuesOfLayers,
    Picked,
    Matching,
    RenderLoop,
    Guides,
    UndoTool,
    SelectTool,
    CropTool,
    MeasureTool,
    UpAxisTool,
    CameraTour,
    CameraPathTool,
    ScreenshotTool,
    SaveTool,
    PageButton,
)
