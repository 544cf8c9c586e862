"""Looking at shapes in a browser: `show` from Python, `geokit view` from the command line."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .matching import show_map
    from .show import show
    from .viewer import Viewer

__all__ = ["Viewer", "show", "show_map"]
_FROM = {"Viewer": "viewer", "show": "show", "show_map": "matching"}


def __getattr__(name: str) -> Any:
    """What is exported, loaded when it is asked for: the server of `geokit view` answers before torch is there."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_FROM[name]}", __name__), name)
    globals()[name] = found  # not the module of the same name
    return found
