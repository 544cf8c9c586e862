"""Looking at shapes in a browser: `show` from Python, `geokit view` from the command line."""

from .matching import show_map
from .show import show
from .viewer import Viewer

__all__ = ["Viewer", "show", "show_map"]
