"""A photograph against the rendering of its camera, as one picture."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import Cameras
from geokit.io import Capture
from geokit.pipelines.colormap import inferno
from geokit.pipelines.evaluate import WORST_SHOWN, Score, compare
from geokit.pipelines.posed_pictures import posed_pictures
from geokit.splatting import TrainConfig

from .layers.splats import SplatsLayer

Picture = Literal["wipe", "side by side", "photograph", "render", "difference"]
PICTURES: tuple[Picture, ...] = ("wipe", "side by side", "photograph", "render", "difference")
LONGEST = 800  # pixels of the longer side at which is compared
_GAP = 4  # white pixels between pictures side by side


@dataclass(frozen=True)
class Comparison:
    """score: PSNR and SSIM at the size of the pictures. photograph, rendering: (H, W, 3) in [0, 1]."""

    score: Score
    photograph: Tensor
    rendering: Tensor

    @property
    def difference(self) -> Tensor:
        """(H, W, 3) the mean absolute difference of the channels, from black (0) to pale yellow (0.25 or more)."""
        return inferno((self.rendering - self.photograph).abs().mean(2) / WORST_SHOWN).to(self.photograph)

    def picture(self, kind: Picture, wipe: float = 0.5) -> NDArray[np.uint8]:
        """(H, W', 3) what is to be seen. wipe: in [0, 1], the part from the left that is photograph; a white line ends
        it."""
        if kind == "side by side":
            gap = torch.ones(len(self.photograph), _GAP, 3)
            shown = torch.cat([self.photograph, gap, self.rendering, gap, self.difference], dim=1)
        elif kind == "wipe":
            shown, width = self.rendering.clone(), self.rendering.shape[1]
            edge = round(wipe * width)
            shown[:, :edge] = self.photograph[:, :edge]
            shown[:, max(0, edge - 1) : min(width, edge + 1)] = 1.0
        else:
            pictures = {"photograph": self.photograph, "render": self.rendering, "difference": self.difference}
            shown = pictures[kind]
        return (shown.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def compared(splats: SplatsLayer, capture: Capture, cameras: Cameras, i: int) -> Comparison:
    """Photograph `i` against the splats as they were trained, at most `LONGEST` pixels wide and high.

    cameras: where those of the capture are now; they may have been turned together with the splats. Raises
    `UnreadableFile` when the photograph cannot be read.
    """
    config = TrainConfig(antialiased=splats.antialiased, background=splats.background)
    view = posed_pictures(replace(capture, cameras=cameras).at_most(LONGEST), [i], splats.background)
    ((score, photograph, rendering),) = compare(splats.shape, view, config)
    return Comparison(score, photograph.cpu(), rendering.cpu())
