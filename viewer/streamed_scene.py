"""What the server draws of the viewer's layers, what the pictures show, and the legend of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from geokit.geometry import Cameras, Splats

from .layers.layer import Legend
from .layers.splats import SplatsLayer
from .picture_wire import FARTHEST
from .splat_modes import Mode, colored, colors_of, legend_of, normals_of, numbers_of
from .streamed_splats import StreamedSplats

if TYPE_CHECKING:
    from .viewer import Viewer

WHITE = (1.0, 1.0, 1.0)


class StreamedScene:
    """The visible layers that geokit renders, as one.

    mode: what the pictures show. background: behind the splats, sRGB in [0, 1]. changes: counts the changes of what is
    seen; looks: those of them that are not of the legend alone. among_others: whether something else is seen too.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.mode: Mode = "Colours"
        self.background = WHITE
        self.changes, self.looks = 0, 0
        self.among_others = False
        self._key: tuple[Any, ...] = ()
        self._shapes: list[tuple[Splats, bool]] = []
        self._streamed: StreamedSplats | None = None
        self._legend: Legend | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing is to be drawn."""
        return self._streamed is None

    def look(self) -> bool:
        """See what is to be drawn now; whether it is another scene than before."""
        viewer = self.viewer
        with viewer.lock:
            layers = [layer for layer in viewer.layers.values() if isinstance(layer, SplatsLayer) and layer.streamed]
            shapes = [(layer.shape, layer.antialiased) for layer in layers]
            among = any(layer.visible and layer not in layers for layer in viewer.layers.values())
            frame = viewer.frame
        same = len(shapes) == len(self._shapes) and all(
            a[0] is b[0] and a[1] == b[1] for a, b in zip(shapes, self._shapes)
        )
        key = (frame, self.mode, self.background, among)
        if same and key == self._key:
            return False
        if not same or self._key[:1] != key[:1]:
            self._streamed, self._shapes = None, []  # should there be no memory for both
            self._streamed = StreamedSplats.of(shapes, frame, viewer.device) if shapes and frame is not None else None
        self._shapes, self._key, self.among_others = shapes, key, among
        self.changes, self.looks = self.changes + 1, self.looks + 1
        self._set_legend(None)
        return True

    def _set_legend(self, legend: Legend | None) -> None:
        """Give the first of the streamed layers the legend of the pictures, the others none."""
        self._legend = legend
        with self.viewer.lock:
            layers = [layer for layer in self.viewer.layers.values() if isinstance(layer, SplatsLayer)]
            drawn = [layer for layer in layers if layer.streamed]
            changed = [
                layer for layer in layers if layer.streamed_legend is not (legend if layer in drawn[:1] else None)
            ]
            for layer in changed:
                layer.streamed_legend = legend if layer in drawn[:1] else None
        if changed:
            self.viewer.changed()

    def picture(self, camera: Cameras, zoom: float = 1.0, new_range: bool = False) -> Tensor:
        """(H, W, 3) on the CPU: what is streamed for a camera in view coordinates.

        zoom: pixels of the screen in a pixel of the picture. new_range: let the legend begin and end where the numbers
        that are seen do; otherwise they keep the range they have.
        """
        assert self._streamed is not None
        streamed, background = self._streamed, torch.tensor(self.background)
        camera = camera.to(streamed.device)
        if self.mode == "Colours":
            return colors_of(streamed, camera, background.to(streamed.device)).cpu()
        if self.mode == "Normals":
            return normals_of(streamed, camera, background.to(streamed.device)).cpu()
        numbers = numbers_of(self.mode, streamed, camera, zoom).cpu()
        if self._legend is None or new_range:
            legend = legend_of(self.mode, numbers)
            if self._legend is None or (legend.low, legend.high) != (self._legend.low, self._legend.high):
                self.changes += self._legend is not None  # what others see is in the colours of the old range
                self._set_legend(legend)
        assert self._legend is not None
        return colored(numbers, self._legend, background)

    def depth(self, camera: Cameras) -> np.ndarray:
        """(H, W) in view units; where splats let more than half of the light through there is nothing."""
        assert self._streamed is not None
        depth, there = self._streamed.median_depth(camera.to(self._streamed.device))
        return torch.where(there, depth, FARTHEST).cpu().numpy()
