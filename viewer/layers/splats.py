"""Splats: drawn by the browser (Gaussians, constant colours), or by geokit's rasterizer and streamed."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import Cameras, Splats
from geokit.geometry.rotations import matrix_from_quaternion
from geokit.geometry.splats import SH_C0

from ..clear_view import clear_view
from ..drawables import Drawable, SplatCloud
from ..frame import ViewFrame
from ..ground import up_from_ground
from .layer import Layer, Legend, Pick, box_of
from .points import first_along

if TYPE_CHECKING:
    import viser

RenderedBy = Literal["browser", "geokit"]
_MOST_IN_BROWSER = 500_000
_ENOUGH = 50_000  # splats tell where most are
_MOST, _ROOM = 0.9, 1.25  # the box is that of the splats within this room of what most keep to: the rest is far away


class SplatsLayer(Layer):
    """Splats. rendered_by: who draws them; waves need geokit. antialiased: as in `geokit.splatting.render`.
    background: RGB in [0, 1] of what was behind them in training."""

    kind = "splats"
    shape: Splats
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __init__(self, name: str, shape: Splats, source: Path | None = None, antialiased: bool = False) -> None:
        super().__init__(name, shape, source)
        self.antialiased = antialiased
        self.streamed_legend: Legend | None = None  # of the pictures, where they show numbers
        plain = shape.waves == 0 and len(shape) <= _MOST_IN_BROWSER
        self.rendered_by: RenderedBy = "browser" if plain else "geokit"

    @property
    def streamed(self) -> bool:
        """Whether the server has to draw it."""
        return self.visible and self.rendered_by == "geokit" and len(self.shape) > 0

    def bounds(self) -> NDArray[np.float64]:
        """The box around most means: some splats are a backdrop, or float far away."""
        return self._box

    @cached_property
    def _box(self) -> NDArray[np.float64]:
        means = self.shape.means.detach().cpu()
        some = means[:: max(1, len(means) // _ENOUGH)].double()
        some = some[some.isfinite().all(1)]
        if len(some) < 100:
            return box_of(means)
        middle = some.median(0).values
        most = float(torch.linalg.vector_norm(some - middle, dim=1).quantile(_MOST))
        near = torch.linalg.vector_norm(means - middle.to(means), dim=1) <= _ROOM * most
        low = torch.where(near[:, None], means, math.inf).amin(0)
        high = torch.where(near[:, None], means, -math.inf).amax(0)
        return torch.stack([low, high]).double().numpy()

    def likely_upwards(self) -> NDArray[np.float64] | None:
        """(3,) away from the ground."""
        up = up_from_ground(self.shape, torch.from_numpy(self.bounds()))
        return super().likely_upwards() if up is None else up.numpy()

    def clear_view(self, camera: Cameras) -> Cameras:
        """Inside of the surroundings, where they would hide the middle."""
        return clear_view(self.shape, torch.from_numpy(self.bounds()), camera)

    def replace(self, shape: Splats) -> None:
        """Show other splats."""
        self.__dict__.pop("_box", None)
        super().replace(shape)

    def legend(self) -> Legend | None:
        """Of the numbers that the streamed picture shows."""
        return self.streamed_legend

    def nodes(self, scene: viser.SceneApi, frame: ViewFrame) -> list[Any]:
        """The browser's splats, if it is the browser that draws them."""
        if self.rendered_by == "geokit" or not len(self.shape):
            return []
        splats = self.shape
        colors = (splats.sh_coeffs[:, 0] * SH_C0 + 0.5).clamp(0, 1)
        return [
            scene.add_gaussian_splats(
                f"/{self.name}",
                frame.to_view(splats.means),
                covariances(splats, frame.scale).float().cpu().numpy(),
                colors.detach().cpu().float().numpy(),
                splats.logit_opacities.sigmoid()[:, None].detach().cpu().float().numpy(),
            )
        ]

    def drawables(self) -> list[Drawable]:
        """The splats with all they hold."""
        return [SplatCloud(self.shape, self.antialiased)]

    def controls(self, gui: viser.GuiApi, viewer: Any) -> None:
        """Who renders."""
        if self.shape.waves:
            return
        by = gui.add_dropdown("Rendered by", ("browser", "geokit"), initial_value=self.rendered_by)

        @viewer.guarded(by)
        def _(_: Any) -> None:
            self.rendered_by = "geokit" if by.value == "geokit" else "browser"
            self.redraw()

    def pick(self, origin: NDArray[np.float64], direction: NDArray[np.float64]) -> Pick | None:
        """The first splat that is more than half opaque where the ray meets it."""
        i = first_along(self.elements(), origin, direction, 0.0)
        if i is None:
            return None
        number, distance = i
        values = {"splat": f"{number:,}", "opacity": f"{float(self.shape.logit_opacities[number].sigmoid()):.2f}"}
        return Pick(self, self.elements()[number], distance, number, None, values)

    def elements(self) -> NDArray[np.float64]:
        """The means."""
        return self.shape.means.detach().cpu().double().numpy()

    def kept(self, mask: NDArray[np.bool_]) -> Splats:
        """The splats of `mask`."""
        return self.shape[torch.from_numpy(mask)]


def covariances(splats: Splats, scale: float = 1.0) -> Tensor:
    """(N, 3, 3) covariances, with lengths times `scale`."""
    rotation = matrix_from_quaternion(splats.quats.detach().double())
    spread = rotation * (splats.log_scales.detach().double().exp() * scale)[:, None, :]
    return spread @ spread.transpose(1, 2)
