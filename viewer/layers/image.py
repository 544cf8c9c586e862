"""The field of an image as a picture that stands in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.fields.field import Field

from ..attributes import Attributes
from ..colors import legend_of, numbers_to_colors
from .layer import Legend, Pick
from .picture import PictureLayer

if TYPE_CHECKING:
    import viser

_MOST_PIXELS = 2048  # along the longer side
_ALL = "colours"


class ImageLayer(PictureLayer):
    """A picture in the plane y = 0 of the world: x to the right, z up, one unit a pixel; its lower left corner is at 0.

    turn: (3, 3) turns it about the origin out of this plane.
    channel: the one that is shown, as numbers with a legend; None for all of them as colours, of fields of 1 (grey), 3
    and 4 (with alpha) channels. Raises `InvalidInput` for a field that is not one of a plane.
    """

    kind = "image"
    shape: Field

    def __init__(self, name: str, shape: Field, source: Path | None = None) -> None:
        super().__init__(name, shape, source)
        if shape.dimension != 2:
            raise InvalidInput(f"an image is a field of a plane, got one of {shape.dimension} dimensions")
        self.channel = None if shape.channels in (1, 3, 4) else 0
        self.turn = np.eye(3)
        self._raster: NDArray[np.float64] | None = None

    def replace(self, shape: Field) -> None:
        """Show another image."""
        self._raster = None
        super().replace(shape)

    def values(self) -> NDArray[np.float64]:
        """(H, W, c) the field, one value a pixel of the image, or fewer of large ones."""
        if self._raster is None:
            sides = (self.shape.bounds[1] - self.shape.bounds[0]).tolist()
            scale = min(1.0, _MOST_PIXELS / max(sides))
            width, height = (max(1, round(side * scale)) for side in sides)
            with torch.no_grad():
                self._raster = self.shape.raster(height, width).cpu().double().numpy()
        return self._raster

    def corners(self) -> NDArray[np.float64]:
        """As large as the image has pixels."""
        width, height = (self.shape.bounds[1] - self.shape.bounds[0]).tolist()
        return np.array([[0, 0, 0], [width, 0, 0], [width, 0, height], [0, 0, height]], np.float64) @ self.turn.T

    def turned(self, matrix: NDArray[np.float64]) -> Attributes:
        """The same image, standing in a turned plane."""
        return {"shape": self.shape, "turn": matrix[:3, :3] @ self.turn}

    def picture(self) -> NDArray[np.float64]:
        """All channels, or one of them as numbers."""
        values, legend = self.values(), self.legend()
        if legend is not None:
            return numbers_to_colors(values[..., self.channel].reshape(-1), legend).reshape(*values.shape[:2], 3)
        return np.repeat(values.clip(0, 1), 3, 2) if values.shape[2] == 1 else values.clip(0, 1)

    def legend(self) -> Legend | None:
        """Of the channel that is shown as numbers."""
        return None if self.channel is None else legend_of(f"channel {self.channel}", self.values()[..., self.channel])

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """Which channel."""
        channels = [f"channel {c}" for c in range(self.shape.channels)]
        if self.shape.channels in (1, 3, 4):
            channels.insert(0, _ALL)
        shown = gui.add_dropdown("Show", channels, initial_value=_ALL if self.channel is None else channels[0])

        @viewer.guarded(shown)
        def _(_: Any) -> None:
            self.channel = None if shown.value == _ALL else int(shown.value.removeprefix("channel "))
            self.redraw()

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """The pixel that the ray meets, and the field there."""
        found = self.place_hit(origin, direction)
        if found is None:
            return None
        distance, across, upwards = found
        low, high = self.shape.bounds.detach().double().cpu().numpy()
        x, y = low + np.array([across, 1 - upwards]) * (high - low)
        with torch.no_grad():
            values = self.shape(torch.tensor([[x, y]]).to(self.shape.bounds))[0].tolist()
        told = {"pixel": f"{int(x)}, {int(y)}"} | {f"channel {c}": f"{value:.4f}" for c, value in enumerate(values)}
        return Pick(self, origin + distance * direction, distance, values=told)
