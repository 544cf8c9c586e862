"""affNIST anew: digits moved by random affine maps, by its law or by wider ones, the same for the same seed.

The published file cannot be made again bit by bit, its law can: Tieleman's affNIST turns by up to 20 degrees, shears by
up to 0.2, stretches both axes by 0.8 to 1.2 and moves so far that no ink leaves the frame.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from geokit.errors import InvalidInput
from geokit.pipelines.digits import SIDE, Digits

_TOGETHER = 512
_SAMPLES = 3  # a pixel's value is the mean of so many times so many points of it


@dataclass(frozen=True)
class Law:
    """How affine maps are drawn: turn, then shear, then stretch, all uniform; images are `side` pixels wide.

    rotation: up to so many degrees either way. shear: up to so much either way. scale: from, to. apart: whether both
    axes have scales of their own; geometric: whether their logarithms are uniform. shift: pixels either way along both
    axes, or None for as far as no ink leaves the frame. noise: standard deviation of what is added to every pixel.
    """

    rotation: float
    shear: float
    scale: tuple[float, float]
    apart: bool = False
    geometric: bool = False
    shift: float | None = None
    noise: float = 0.0
    side: int = 40


LAWS = {
    "affnist": Law(20, 0.2, (0.8, 1.2), apart=True),
    "wide": Law(180, 0.5, (0.5, 2.0), shift=2.0),
    "wide_noisy": Law(180, 0.5, (0.5, 2.0), shift=2.0, noise=0.05),
    "stretched": Law(180, 0.5, (0.5, 2.0), apart=True, geometric=True, shift=2.0),
}


def moved_digits(digits: Digits, law: Law | str, seed: int) -> Tensor:
    """(N, 1, side, side) float32: every digit under a random map of its own; values in [0, 1] but for noise.

    law: or its name in `LAWS`. Raises `InvalidInput` for a name that there is not.
    """
    if isinstance(law, str) and law not in LAWS:
        raise InvalidInput(f"there is no law {law!r} of moving digits; there are {', '.join(LAWS)}")
    law = LAWS[law] if isinstance(law, str) else law
    generator = torch.Generator().manual_seed(seed)
    linear = random_maps(law, len(digits), generator)
    shift = _shifts(digits, linear, law, generator)
    moved = torch.cat(
        [
            _moved(*parts, law.side)
            for parts in zip(digits.images.split(_TOGETHER), linear.split(_TOGETHER), shift.split(_TOGETHER))
        ]
    )
    return moved + law.noise * torch.randn(moved.shape, generator=generator) if law.noise else moved


def random_maps(law: Law, count: int, generator: torch.Generator) -> Tensor:
    """(count, 2, 2) rotation @ shear @ stretch, of a law."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    low, high = (math.log(s) for s in law.scale) if law.geometric else law.scale
    angle, shear = uniform(-law.rotation, law.rotation) * (math.pi / 180), uniform(-law.shear, law.shear)
    across = uniform(low, high)
    along = uniform(low, high) if law.apart else across
    if law.geometric:
        across, along = across.exp(), along.exp()
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(count)
    turn = torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))
    rest = torch.stack([across, shear * along, zero, along], dim=-1).unflatten(-1, (2, 2))
    return turn @ rest


def _shifts(digits: Digits, linear: Tensor, law: Law, generator: torch.Generator) -> Tensor:
    """(N, 2) pixels by which the middle of each digit moves."""
    share = torch.rand(len(digits), 2, generator=generator)
    if law.shift is not None:
        return law.shift * (2 * share - 1)
    line = torch.arange(SIDE) - (SIDE - 1) / 2
    low, high = [], []
    for images, maps in zip(digits.images.split(_TOGETHER), linear.split(_TOGETHER)):
        x = (maps[:, :, :1, None] * line).expand(-1, -1, SIDE, SIDE)
        places = x + maps[:, :, 1:, None] * line[:, None]
        ink = (images > 0)[:, None]
        low.append(torch.where(ink, places, math.inf).amin((2, 3)))
        high.append(torch.where(ink, places, -math.inf).amax((2, 3)))
    half = law.side / 2 - 1  # the frame, less half a pixel of ink and half of its blur
    first, last = -half - torch.cat(low), half - torch.cat(high)
    return torch.where(first <= last, first + (last - first) * share, 0.5 * (first + last))


def _moved(images: Tensor, linear: Tensor, shift: Tensor, side: int) -> Tensor:
    """(N, 1, side, side) of images (N, 28, 28), bilinear, as a camera with square pixels sees them."""
    line = (torch.arange(side * _SAMPLES) + 0.5) / _SAMPLES - side / 2
    places = torch.stack(torch.broadcast_tensors(line, line[:, None]), dim=-1).flatten(0, 1)
    sources = (places - shift[:, None]) @ torch.linalg.inv(linear).mT
    grid = (sources / (SIDE / 2)).unflatten(1, (side * _SAMPLES, side * _SAMPLES))
    values = grid_sample(images[:, None].float() / 255, grid, mode="bilinear", align_corners=False)
    return avg_pool2d(values, _SAMPLES)
