"""A scene as one HTML file."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.geometry import Cameras
from geokit.io.safe import atomic_write
from geokit.pipelines.observer import Observer
from geokit.pipelines.outputs import check_free

from ..content import layers_of
from ..drawables import SplatCloud
from ..frame import ViewFrame
from ..home import distance_to_middle, home_camera, upward
from ..layers.layer import Layer, united
from .pack import Pack
from .pieces import packed_piece, piece_boxes
from .splats import packed_splats
from .told import told_camera, told_layer, told_lighting

if TYPE_CHECKING:
    from ..viewer import Viewer

ENDING = ".html"
_NEAR = 0.01  # world units: what `geokit.splatting.render` leaves out before a camera
_NEAREST = 0.002  # of the scene's radius: what is left out of a small scene
_FILES = Path(__file__).parent
# In an order in which each uses only what stands before it.
_SCRIPTS = (
    "unpack", "sort", "vectors", "camera", "gl", "targets", "surfaces", "marks", "splat_shaders", "splats", "scene",
    "renderer", "controls", "panel", "main",
)  # fmt: skip
_LARGEST = 360 << 20  # characters of a page; browsers cut text at 512 M


def page_html(
    layers: Iterable[Layer],
    frame: ViewFrame,
    camera: Cameras,
    title: str,
    *,
    up: NDArray[np.float64] | None = None,
    distance: float | None = None,
    observer: Observer | None = None,
) -> str:
    """A page that shows `layers`, hidden ones switched off, first through `camera` (one, in the world).

    It needs no server and no network. frame: the middle and scale of the float32 coordinates that the page holds. up:
    (3,) upwards in the world, around which the page turns; by default, and where the camera is tilted, the camera's.
    distance: from the camera to what it turns around, in world units; by default to the middle of what is visible.
    Raises `InvalidInput` unless there is one camera, and for a scene that is too large for a page.
    """
    layers = list(layers)
    if len(camera) != 1:
        raise InvalidInput(f"a page begins with one camera, got {len(camera)}; choose one: cameras[i]")
    observer = observer or Observer()
    observer.phase("collecting")
    pack, told, pieces, clouds, boxes = Pack(), [], [], [], []
    for number, layer in enumerate(layers):
        drawn = layer.drawables()
        told.append(told_layer(layer, bool(drawn) and all(isinstance(piece, SplatCloud) for piece in drawn)))
        for piece in drawn:
            if isinstance(piece, SplatCloud):
                clouds.append((number, piece))
                boxes += [layer.bounds()] if len(piece.splats) else []
            else:
                pieces.append({"layer": number} | packed_piece(piece, frame, pack))
                boxes += piece_boxes(piece)
    splats = packed_splats(clouds, frame, pack)
    box = frame.to_view(united(boxes))
    radius = float(np.linalg.norm(box[1] - box[0])) / 2 or 1.0
    if distance is None:
        distance = distance_to_middle(layers, camera)
    scene = {
        "title": title,
        "layers": told,
        "pieces": pieces,
        "splats": splats,
        "arrays": pack.listing,
        "bytes": len(pack),
        "middle": [float(x) for x in box.mean(0)],
        "radius": radius,
        "near": min(_NEAR * frame.scale, _NEAREST * radius),
        "frame": {"center": frame.center, "scale": frame.scale},
        "camera": told_camera(camera, frame, up, distance),
        "lighting": told_lighting(),
    }
    data = "\n".join(pack.lines(observer))
    if len(data) > _LARGEST:
        raise InvalidInput(
            f"the page would have {len(data) / 1e6:,.0f} MB, more than browsers open ({_LARGEST / 1e6:,.0f} MB); "
            "show fewer or smaller layers"
        )
    return _filled(title, scene, data)


def save_page(
    path: str | Path,
    source: Viewer | Iterable[Any],
    title: str | None = None,
    *,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Path:
    """Write a scene as one HTML file that needs no server; all of it or nothing is written.

    source: a viewer, or what `show` takes: layers, shapes, paths. title: of the page; by default the names of the
    layers. Raises `InvalidInput` for another ending than .html, a file that exists (unless `overwrite`), no
    layers and what `page_html` refuses; `UnreadableFile` for damaged files.
    """
    path = Path(path)
    if path.suffix.lower() not in (ENDING, ".htm"):
        raise InvalidInput(f"{path}: a page is written as {ENDING}; name it {path.with_suffix(ENDING).name}")
    check_free(path, overwrite)
    if isinstance(source, Iterable):
        layers, frame, up = [layer for thing in source for layer in layers_of(thing)], None, None
    else:
        layers, frame, up = list(source.layers.values()), source.frame, source.up
    if not layers:
        raise InvalidInput("there is nothing to write a page of; add a layer first")
    frame = frame or ViewFrame.around(united([layer.bounds() for layer in layers]))
    up = upward(layers) if up is None else up
    camera = home_camera(layers, up)
    text = page_html(layers, frame, camera, title or title_of(layers), up=up, observer=observer)
    with atomic_write(path) as file:
        file.write(text.encode())
    return path


def title_of(layers: Sequence[Layer]) -> str:
    """The names of the layers, at most three of them."""
    names = [layer.name for layer in layers]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _filled(title: str, scene: dict[str, Any], data: str) -> str:
    """The page with everything in its place. What stands in a script element must not hold a `<`."""
    text = json.dumps(scene, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "title": html.escape(title),
        "style": (_FILES / "page.css").read_text("utf-8"),
        "script": _script(),
        "scene": text,
        "data": data,
    }
    template = (_FILES / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _script() -> str:
    """The modules as one: what they import from each other stands above them already."""
    text = "\n".join((_FILES / "js" / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    return re.sub(r"^export |^import .*\n", "", text, flags=re.MULTILINE)
