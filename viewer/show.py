"""Show shapes with one call."""

from typing import Any

from .content import layers_of
from .viewer import Viewer


def show(
    *things: Any, host: str = "127.0.0.1", port: int | None = None, up: tuple[float, float, float] | None = None
) -> Viewer:
    """A viewer that shows `things`: meshes, points, splats, cameras, captures, paths, layers, or mappings that name
    them, as in `show({"scan": cloud, "surface": mesh})`.

    It serves in the background until it is closed: `wait()` keeps a script alive, as a context manager it closes at the
    end of the block, and as the last value of a notebook's cell it shows the page there.
    host, port: see `geokit.viewer.server.start_server`. up: upwards in the world; by default found from the shapes.
    Raises `InvalidInput` for what cannot be shown and `UnreadableFile` for damaged files, before anything is served.
    """
    layers = [layer for thing in things for layer in layers_of(thing)]
    viewer = Viewer(host, port, up)
    viewer.server.gui.main_panel.dock_right()  # beside the scene, not over it
    viewer.add(*layers)
    return viewer
