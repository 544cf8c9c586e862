"""Show shapes with one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .content import layers_of
from .layers.layer import Layer
from .server import start_server
from .viewer import Viewer

if TYPE_CHECKING:
    import torch
    import viser


def show(
    *things: Any, host: str = "127.0.0.1", port: int | None = None, up: tuple[float, float, float] | None = None
) -> Viewer:
    """A viewer that shows `things`: meshes, points, splats, cameras, captures, paths, layers, or mappings that name
    them, as in `show({"scan": cloud, "surface": mesh})`.

    It serves in the background until it is closed: `wait()` keeps a script alive, as a context manager it closes at the
    end of the block, and as the last value of a notebook's cell it shows the page there.
    host, port: see `geokit.viewer.server.start_server`. up: upwards in the world; by default found from the shapes.
    Raises `InvalidInput` for what cannot be shown and `UnreadableFile` for damaged files; then nothing is served.
    """
    layers = [layer for thing in things for layer in layers_of(thing)]
    return fill(start_server(host, port), layers, up)


def fill(
    server: viser.ViserServer,
    layers: Sequence[Layer],
    up: tuple[float, float, float] | None = None,
    device: torch.device | None = None,
) -> Viewer:
    """A viewer of `layers` in a server that serves already, and is stopped where they cannot be shown; see `show`.

    device: see `Viewer`.
    """
    server.gui.main_panel.dock_right()  # beside the scene, not over it
    viewer = Viewer(up=up, server=server)
    viewer.device = device
    try:
        viewer.add(*layers)
    except BaseException:
        viewer.close()
        raise
    return viewer
