"""What a viewer is made of besides its layers: each part is made with the viewer and adds its own controls to it."""

from collections.abc import Callable
from typing import Any

from geokit.viewer.tools.camera_path import CameraPathTool
from geokit.viewer.tools.crop import CropTool
from geokit.viewer.tools.measure import MeasureTool
from geokit.viewer.tools.save import SaveTool
from geokit.viewer.tools.screenshot import ScreenshotTool
from geokit.viewer.tools.select import SelectTool
from geokit.viewer.tools.undo import UndoTool
from geokit.viewer.tools.up_axis import UpAxisTool

PARTS: tuple[Callable[[Any], Any], ...] = (
    UndoTool,
    SelectTool,
    CropTool,
    MeasureTool,
    UpAxisTool,
    CameraPathTool,
    SaveTool,
    ScreenshotTool,
)
