"""A picture of what a client sees, at any size."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from geokit.errors import GeokitError, InvalidInput
from geokit.geometry import Cameras
from geokit.geometry.color_bytes import color_bytes

from ..jobs import Jobs
from ..render_scene import WHITE, render_drawables, scene_drawables

if TYPE_CHECKING:
    import viser

    from ..drawables import Drawable
    from ..viewer import Viewer

LARGEST = 8192  # pixels, either side
_OWN = "own size"
_SIZES = {"as the page": 1, "2 x the page": 2, "4 x the page": 4, _OWN: 0}
_PATIENCE = 120.0  # seconds for the browser's own picture


class ScreenshotTool:
    """A .png for the client who asks, drawn by geokit or by the browser."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        gui = viewer.server.gui
        with viewer.tab("Save"), gui.add_folder("Screenshot"):
            self.by = gui.add_dropdown(
                "Drawn by", ("geokit", "browser"), hint="the browser also draws labels, photographs and what tools mark"
            )
            self.size = gui.add_dropdown("Size", tuple(_SIZES))
            self.width = gui.add_number("Width", 1920, min=1, max=LARGEST, step=1, visible=False)
            self.height = gui.add_number("Height", 1080, min=1, max=LARGEST, step=1, visible=False)
            self.transparent = gui.add_checkbox("No background", False, hint="transparent instead of white")
            self.take = gui.add_button("Take it")
        self._jobs = Jobs(viewer, lambda: self._busy(True), lambda: self._busy(False))
        viewer.guarded(self.size)(self._choose_size)
        viewer.guarded(self.take)(self._start)

    def wanted_size(self, client: viser.ClientHandle) -> tuple[int, int]:
        """(width, height) in pixels. Raises `InvalidInput` for more than `LARGEST`."""
        factor = _SIZES[self.size.value]
        page = (max(client.camera.image_width, 1), max(client.camera.image_height, 1))
        size = (page[0] * factor, page[1] * factor) if factor else (round(self.width.value), round(self.height.value))
        if not 1 <= min(size) <= max(size) <= LARGEST:
            raise InvalidInput(
                f"a picture has 1 to {LARGEST} pixels a side, this would have {size[0]} x {size[1]}; choose another"
            )
        return size

    def _choose_size(self, _: Any) -> None:
        self.width.visible = self.height.visible = self.size.value == _OWN

    def _busy(self, busy: bool) -> None:
        self.take.disabled, self.take.label = busy, "Drawing ..." if busy else "Take it"

    def _start(self, event: Any) -> None:
        client = event.client
        width, height = self.wanted_size(client)
        camera = self._viewer.camera_of(client, width, height)
        drawables = scene_drawables(self._viewer)
        transparent, by_browser = self.transparent.value, self.by.value == "browser"

        def take() -> None:
            if by_browser:
                pixels = browser_picture(client, width, height, transparent)
            else:
                pixels = geokit_picture(drawables, camera, transparent)
            client.send_file_download(f"screenshot_{width}x{height}.png", encoded(pixels), save_immediately=True)

        self._jobs.start(take, client)


def geokit_picture(drawables: list[Drawable], camera: Cameras, transparent: bool = False) -> NDArray[np.uint8]:
    """(H, W, 3) on white, or (H, W, 4) transparent where nothing is: pieces through one camera, drawn by geokit."""
    color, alpha = render_drawables(drawables, camera)
    if not transparent:
        return color_bytes(color + (1 - alpha)[..., None] * color.new_tensor(WHITE))
    own = color / alpha.clamp_min(1e-6)[..., None]
    return color_bytes(torch.cat([own, alpha[..., None]], -1))


def browser_picture(
    client: viser.ClientHandle, width: int, height: int, transparent: bool = False
) -> NDArray[np.uint8]:
    """(H, W, 3) on white, or (H, W, 4): what the client's own browser draws. `GeokitError` where it cannot."""
    try:
        seen = client.get_render(height, width, transport_format="png", timeout=_PATIENCE)
    except (RuntimeError, TimeoutError) as error:
        raise GeokitError(
            f"the browser gave no picture of {width} x {height} pixels ({error}); choose a smaller one, or geokit"
        ) from error
    if transparent:
        return np.ascontiguousarray(seen)
    alpha = seen[..., 3:].astype(np.float64) / 255
    return (seen[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """The pixels as the content of a .png."""
    held = BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()
