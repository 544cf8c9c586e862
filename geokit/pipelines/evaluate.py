"""Held-out views: how well they are rendered, in numbers and in pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from geokit.backend.image_ops import ssim
from geokit.geometry import Cameras, Splats
from geokit.io import save_picture
from geokit.pipelines.colormap import inferno
from geokit.pipelines.posed_pictures import PosedPictures, picture_names
from geokit.splatting import TrainConfig, psnr, render

WORST_SHOWN = 0.25  # the mean absolute error of a pixel that the error picture shows in its brightest colour
_GAP = 4  # white pixels between the pictures


@dataclass(frozen=True)
class Score:
    """How well one view is rendered: PSNR in dB, SSIM in [-1, 1]."""

    image: str
    psnr: float
    ssim: float


def render_picture(splats: Splats, camera: Cameras, config: TrainConfig) -> Tensor:
    """(H, W, 3) in [0, 1], on the splats' device: what one camera sees, rendered as in training."""
    device = splats.means.device
    with torch.no_grad():
        background = torch.tensor(config.background, device=device)
        seen = render(splats, camera.to(device), background=background, antialiased=config.antialiased)
        return seen.image.clamp(0, 1)


def compare(splats: Splats, views: PosedPictures, config: TrainConfig) -> Iterator[tuple[Score, Tensor, Tensor]]:
    """For every view its score, its photograph and its rendering, both (H, W, 3) in [0, 1] on the splats' device."""
    for i, (name, photograph) in enumerate(zip(views.cameras.names, views.photographs)):
        picture = render_picture(splats, views.cameras[i], config)
        target = photograph.to(picture.device).to(torch.float32) / 255
        yield Score(name, psnr(picture, target), float(ssim(picture, target))), target, picture


def mean_psnr(splats: Splats, views: PosedPictures, config: TrainConfig) -> float:
    """The mean of the views' PSNR in dB."""
    scores = [score.psnr for score, _, _ in compare(splats, views, config)]
    return sum(scores) / len(scores)


def save_comparisons(folder: Path, splats: Splats, views: PosedPictures, config: TrainConfig) -> Iterator[Score]:
    """Write photograph | rendering | error of every view into `folder` as .png, and give the scores one by one.

    The error is the mean absolute difference of the channels, from black (0) to pale yellow (`WORST_SHOWN` or more).
    """
    files = [folder / f"{name}.png" for name in picture_names(views.cameras.names)]
    for file, (score, target, picture) in zip(files, compare(splats, views, config)):
        target, picture = target.cpu(), picture.cpu()
        error = inferno((picture - target).abs().mean(2) / WORST_SHOWN)
        gap = torch.ones(len(target), _GAP, 3)
        save_picture(file, torch.cat([target, gap, picture, gap, error], dim=1))
        yield score
