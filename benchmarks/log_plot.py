"""Curves over logarithmic axes, with the slopes that theory gives beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from geokit.pipelines.histogram import draw_text

SCALE = 2  # drawn so much larger, then made smaller, for smooth lines
INK, FAINT, GRID, PAPER = (40, 42, 48), (120, 124, 132), (232, 234, 238), (255, 255, 255)
BLUE, RED, GREEN, VIOLET = (31, 119, 180), (214, 69, 65), (44, 140, 90), (128, 90, 170)
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 470, 78, 26, 62, 66  # pixels of a panel
LABEL = 15

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Curve:
    """Points, a name, and the exponent of theory, None for none. label: where the name stands, a share of the points,
    and whether above the curve, before its point there, or below."""

    name: str
    color: Color
    x: Sequence[float]
    y: Sequence[float]
    exponent: float | None
    label: tuple[float, str]


@dataclass(frozen=True)
class Panel:
    """Curves under a title. x_name, y_name: of the axes. xs: marked values. theory: points, from the end, that a line
    of the theory's exponent goes beside."""

    title: str
    x_name: str
    y_name: str
    xs: Sequence[float]
    curves: Sequence[Curve]
    theory: int


def draw_panels(panels: Sequence[Panel]) -> Image.Image:
    """Panels side by side."""
    large = Image.new("RGB", (SCALE * WIDTH * len(panels), SCALE * HEIGHT), PAPER)
    draw = ImageDraw.Draw(large)
    for number, panel in enumerate(panels):
        _Axes(draw, panel, SCALE * WIDTH * number).draw()
    return large.resize((large.width // SCALE, large.height // SCALE), Image.Resampling.LANCZOS)


class _Axes:
    """The places of values in a panel, and what is drawn there."""

    def __init__(self, canvas: ImageDraw.ImageDraw, panel: Panel, offset: int) -> None:
        self.canvas, self.panel = canvas, panel
        self.left, self.right = offset + SCALE * LEFT, offset + SCALE * (WIDTH - RIGHT)
        self.upper, self.lower = SCALE * TOP, SCALE * (HEIGHT - BOTTOM)
        xs, ys = [x for c in panel.curves for x in c.x], [y for c in panel.curves for y in c.y]
        self.x_range = math.log(min(xs) / 1.12), math.log(max(xs) * 1.12)
        self.y_range = math.log(min(ys) / 1.7), math.log(max(ys) * 1.7)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        across = (math.log(x) - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = (math.log(y) - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return self.left + across * (self.right - self.left), self.lower - up * (self.lower - self.upper)

    def draw(self) -> None:
        """All of it."""
        self._grid()
        for curve in self.panel.curves:
            if curve.exponent is not None:
                self._theory(curve, curve.exponent)
        for curve in self.panel.curves:
            points = [self.place(x, y) for x, y in zip(curve.x, curve.y)]
            self.canvas.line(points, curve.color, 3 * SCALE, joint="curve")
            for x, y in points:
                r = 4.5 * SCALE
                self.canvas.ellipse((x - r, y - r, x + r, y + r), curve.color, PAPER, SCALE)
            self._name(curve)

    def _text(self, place: tuple[float, float], words: str, size: int, color: Color, anchor: str) -> None:
        draw_text(self.canvas, place, words, SCALE * size, color, anchor)

    def _grid(self) -> None:
        low, high = (value / math.log(10) for value in self.y_range)
        for power in range(math.ceil(low), math.floor(high) + 1):
            y = self.place(math.exp(self.x_range[0]), 10.0**power)[1]
            self.canvas.line((self.left, y, self.right, y), GRID, SCALE)
            self._text((self.left - 9 * SCALE, y), f"{10.0**power:g}", LABEL, FAINT, "rm")
        for x in self.panel.xs:
            across = self.place(x, math.exp(self.y_range[0]))[0]
            self.canvas.line((across, self.upper, across, self.lower), GRID, SCALE)
            self.canvas.line((across, self.lower, across, self.lower + 6 * SCALE), INK, 2 * SCALE)
            self._text((across, self.lower + 10 * SCALE), f"{x:,g}", LABEL, INK, "mt")
        self.canvas.line((self.left, self.lower, self.right, self.lower), INK, 2 * SCALE)
        middle = (self.left + self.right) / 2
        self._text((middle, self.lower + 35 * SCALE), self.panel.x_name, LABEL + 1, INK, "mt")
        self._text((self.left, SCALE * 24), self.panel.title, 19, INK, "lm")
        self._text((self.left, SCALE * 47), self.panel.y_name, LABEL, FAINT, "lm")

    def _theory(self, curve: Curve, exponent: float) -> None:
        """Dashes of the exponent through the middle of the last points."""
        last = list(zip(curve.x, curve.y))[-self.panel.theory :]
        middle = [math.exp(sum(math.log(point[i]) for point in last) / len(last)) for i in range(2)]
        first, end = (
            self.place(x, middle[1] * (x / middle[0]) ** exponent) for x in (last[0][0] / 1.25, last[-1][0] * 1.1)
        )
        length = math.dist(first, end)
        for start in range(0, int(length), 14 * SCALE):
            a, b = start / length, min(1.0, (start + 8 * SCALE) / length)
            points = [tuple(f + s * (e - f) for f, e in zip(first, end)) for s in (a, b)]
            self.canvas.line([*points[0], *points[1]], tuple((c + 2 * 255) // 3 for c in curve.color), 5 * SCALE)

    def _name(self, curve: Curve) -> None:
        share, side = curve.label
        index = round(share * (len(curve.x) - 1))
        x, y = self.place(curve.x[index], curve.y[index])
        across, up, anchor = {"above": (10, -12, "lb"), "before": (0, -12, "rb"), "below": (-10, 12, "rt")}[side]
        lines = curve.name.split("\n")
        for number, line in enumerate(lines):
            step = number if side == "below" else number + 1 - len(lines)
            self._text((x + SCALE * across, y + SCALE * (up + 18 * step)), line, LABEL, curve.color, anchor)
