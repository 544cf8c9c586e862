"""Looking at shapes in a browser: `show` from Python, `geokit view` from the command line."""

from geokit.viewer.matching import show_map
from geokit.viewer.show import show
from geokit.viewer.viewer import Viewer

__all__ = ["Viewer", "show", "show_map"]
