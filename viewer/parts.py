"""What a viewer is made of besides its layers: each part is made with the viewer and adds its own controls to it."""

from collections.abc import Callable
from typing import Any

from .camera_tour import CameraTour
from .departures import Departures
from .guides import Guides
from .legends import Legends
from .map_clicks import Matching
from .page.button import PageButton
from .picked import Picked
from .render_loop import RenderLoop
from .tools.camera_path import CameraPathTool
from .tools.crop import CropTool
from .tools.measure import MeasureTool
from .tools.save import SaveTool
from .tools.screenshot import ScreenshotTool
from .tools.select import SelectTool
from .tools.undo import UndoTool
from .tools.up_axis import UpAxisTool
from .values_part import MeshValuesOfLayers

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
    Departures,
)
