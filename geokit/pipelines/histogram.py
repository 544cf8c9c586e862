"""A histogram of distances as a picture: bars in the colours of the error shapes, with the usual marks."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from geokit.pipelines.colormap import viridis

_WIDTH, _PANEL, _TITLE = 1200, 380, 46  # pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 96, 48, 60, 74
_BARS = 80
_SHOWN = 0.99  # share of the errors that an axis spans
_INK, _FAINT, _GRID, _PAPER = (40, 42, 48), (120, 124, 132), (226, 228, 232), (255, 255, 255)
_TALL = 1.08  # of the highest bar: the height of a panel
_MARKS = (("median", (214, 69, 65)), ("95 %", (31, 119, 180)))


def draw_histogram(panels: Sequence[tuple[str, Tensor]], ceiling: float, threshold: float) -> Tensor:
    """(H, W, 3) uint8: one panel for each (title, errors), coloured from 0 to `ceiling`.

    An axis ends where 99 % of its errors do; what lies beyond is counted in words. The threshold of the F-score is
    marked where it falls into the axis.
    """
    picture = Image.new("RGB", (_WIDTH, _TITLE + _PANEL * len(panels)), _PAPER)
    draw = ImageDraw.Draw(picture)
    draw_text(draw, (_WIDTH / 2, _TITLE / 2 + 6), "distance to the other shape", 24, _INK, "mm")
    for i, (title, errors) in enumerate(panels):
        _draw_panel(draw, _TITLE + i * _PANEL, title, errors.detach().double().cpu(), ceiling, threshold)
    return torch.from_numpy(np.array(picture))


def _draw_panel(
    draw: ImageDraw.ImageDraw, top: int, title: str, errors: Tensor, ceiling: float, threshold: float
) -> None:
    ordered = errors.sort().values
    shown = float(ordered[min(int(_SHOWN * len(ordered)), len(ordered) - 1)]) or float(ordered[-1]) or ceiling
    left, right, upper, lower = _LEFT, _WIDTH - _RIGHT, top + _TOP, top + _PANEL - _BOTTOM
    wide, high = right - left, lower - upper
    shares = torch.histc(errors[errors <= shown], _BARS, 0, shown) / max(len(errors), 1)
    most = float(shares.max()) * _TALL or 1.0
    for value in ticks(most * 100, 4):
        y = lower - high * value / 100 / most
        draw.line((left, y, right, y), _GRID, 1)
        draw_text(draw, (left - 10, y), f"{value:g} %", 15, _FAINT, "rm")
    colors = (viridis((torch.arange(_BARS) + 0.5) / _BARS * shown / ceiling) * 255).round().int().tolist()
    for i, (share, color) in enumerate(zip(shares.tolist(), colors)):
        x0, x1 = left + wide * i / _BARS, left + wide * (i + 1) / _BARS
        if share > 0:
            draw.rectangle((x0, min(lower - high * share / most, lower - 1), x1 - 1, lower), tuple(color))
    draw.line((left, lower, right, lower), _INK, 2)
    for value in ticks(shown, 6):
        x = left + wide * value / shown
        draw.line((x, lower, x, lower + 6), _INK, 2)
        draw_text(draw, (x, lower + 10), f"{value:.6g}", 15, _INK, "mt")
    values = [float(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) for share in (0.5, 0.95)]
    marks = [(name, value, color) for (name, color), value in zip(_MARKS, values)]
    marks.append(("F-score threshold", threshold, _FAINT))
    x = float(left)
    for name, value, color in marks:
        text = f"{name} {value:.4g}"
        draw.line((x, lower + 48, x + 22, lower + 48), color, 3)
        draw_text(draw, (x + 30, lower + 48), text, 16, _INK, "lm")
        x += 56 + draw.textlength(text, _font(16))
        if 0 < value <= shown:
            place = left + wide * value / shown
            draw.line((place, upper, place, lower), color, 2)
    beyond = int((errors > shown).sum())
    words = (
        f"{beyond:,} of {len(errors):,} farther, at most {float(ordered[-1]):.4g}"
        if beyond
        else f"{len(errors):,} places"
    )
    draw_text(draw, (right, lower + 48), words, 16, _FAINT, "rm")
    draw_text(draw, (left, top + _TOP - 24), title, 19, _INK, "lm")


def ticks(highest: float, wanted: int) -> list[float]:
    """Round numbers from 0 to `highest`, about `wanted` of them."""
    if not (math.isfinite(highest) and highest > 0):
        return [0.0]
    rough = highest / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [step * i for i in range(int(highest / step * 1.0001) + 1)]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def draw_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    color: tuple[int, int, int],
    anchor: str,
) -> None:
    """Words at a place of a picture, anchored as Pillow says."""
    draw.text(place, text, color, _font(size), anchor)
