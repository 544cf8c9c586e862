"""Looking at shapes in a browser: `show` from Python, `geokit view` from the command line."""

from typing import TYPE_CHECKING, Any

from .show import show
from .viewer import Viewer

if TYPE_CHECKING:
    from .matching import show_map

__all__ = ["Viewer", "show", "show_map"]


def __getattr__(name: str) -> Any:
    """`show_map`, with what computes on maps, when it is asked for."""
    if name == "show_map":
        from .matching import show_map

        return show_map
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
