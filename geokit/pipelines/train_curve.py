"""A training run as a picture: loss and validation error against the time that they took."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from geokit.pipelines.histogram import draw_text, ticks

_WIDTH, _HEIGHT = 560, 420  # pixels of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 24, 56, 62
_INK, _FAINT, _GRID, _PAPER = (40, 42, 48), (120, 124, 132), (226, 228, 232), (255, 255, 255)
_LINE, _BEST = (31, 119, 180), (214, 69, 65)
_LEAST = 1e-4  # of the largest value: smaller ones are drawn at the bottom


def draw_curve(curve: Sequence[Mapping[str, float]], error: str) -> Tensor:
    """(H, W, 3) uint8: the columns loss and validation of a curve over cpu_seconds, with logarithmic axes.

    error: the name of what is in the column validation.
    """
    picture = Image.new("RGB", (2 * _WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(picture)
    _panel(draw, 0, "training loss", curve, "loss")
    _panel(draw, _WIDTH, f"{error} in validation", curve, "validation")
    return torch.from_numpy(np.array(picture))


def _panel(
    draw: ImageDraw.ImageDraw, offset: int, title: str, curve: Sequence[Mapping[str, float]], column: str
) -> None:
    times, values = [line["cpu_seconds"] for line in curve], [line[column] for line in curve]
    top = max(values) or 1.0
    values = [max(value, top * _LEAST) for value in values]
    low, high = math.log10(min(values) / 1.2), math.log10(top * 1.2)
    left, right, upper, lower = offset + _LEFT, offset + _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    latest = times[-1] or 1.0

    def place(time: float, value: float) -> tuple[float, float]:
        share = (math.log10(value) - low) / (high - low)
        return left + (right - left) * time / latest, lower - (lower - upper) * share

    for value in _round_values(low, high):
        y = place(0, value)[1]
        draw.line((left, y, right, y), _GRID, 1)
        draw_text(draw, (left - 10, y), f"{value:g}", 15, _FAINT, "rm")
    draw.line((left, lower, right, lower), _INK, 2)
    for time in ticks(latest, 5):
        x = place(time, top)[0]
        draw.line((x, lower, x, lower + 6), _INK, 2)
        draw_text(draw, (x, lower + 10), f"{time:g}", 15, _INK, "mt")
    draw_text(draw, ((left + right) / 2, lower + 34), f"CPU seconds ({curve[-1]['epoch']:.0f} epochs)", 16, _INK, "mt")
    points = [place(time, value) for time, value in zip(times, values)]
    draw.line(points, _LINE, 3, joint="curve")
    best = min(range(len(values)), key=values.__getitem__)
    x, y = points[best]
    draw.ellipse((x - 5, y - 5, x + 5, y + 5), _BEST)
    draw_text(draw, (left, _TOP - 26), title, 19, _INK, "lm")
    draw_text(draw, (right, _TOP - 26), f"least {curve[best][column]:.4g}", 16, _BEST, "rm")


def _round_values(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two logarithms; only the powers where that is many."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    factors = (1, 2, 5) if high - low < 2 else (1,)
    values = [factor * 10.0**power for power in powers for factor in factors]
    return [value for value in values if low <= math.log10(value) <= high]
