"""Draws docs/images/pair_invariants.png: what two oriented points have in common with their moved copies.

python scenes/position_orientation_pictures.py
"""

import itertools
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SCALE = 4  # drawn larger, then reduced
WIDTH, HEIGHT = 940, 360
INK, RED, BLUE, GREEN, GREY = "#222222", "#c0392b", "#2255aa", "#1e8449", "#999999"


class Sheet:
    """Lines, arrows and words in the pixels of the finished picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
        self.draw = ImageDraw.Draw(self.image)

    def line(self, a, b, color=INK, width=2.0, dashed=False):
        pieces = max(1, int(math.dist(a, b) / 5)) if dashed else 1
        for i in range(0, pieces, 2):
            ends = [tuple(p + (q - p) * t / pieces for p, q in zip(a, b)) for t in (i, i + 1)]
            self.draw.line([(x * SCALE, y * SCALE) for x, y in ends], fill=color, width=int(width * SCALE))

    def arrow(self, a, b, color=INK, width=2.5):
        angle = math.atan2(b[1] - a[1], b[0] - a[0])
        base = (b[0] - 9 * math.cos(angle), b[1] - 9 * math.sin(angle))
        self.line(a, base, color, width)
        corners = [(b[0] - 12 * math.cos(angle + t), b[1] - 12 * math.sin(angle + t)) for t in (0.4, -0.4)]
        self.draw.polygon([(x * SCALE, y * SCALE) for x, y in (b, *corners)], fill=color)

    def dot(self, p, color=INK, radius=5):
        box = [(p[0] - radius) * SCALE, (p[1] - radius) * SCALE, (p[0] + radius) * SCALE, (p[1] + radius) * SCALE]
        self.draw.ellipse(box, fill=color)

    def ellipse(self, center, rx, ry, color=GREY):
        points = [
            (center[0] + rx * math.cos(t / 60 * math.tau), center[1] + ry * math.sin(t / 60 * math.tau))
            for t in range(61)
        ]
        for a, b in list(itertools.pairwise(points))[::2]:
            self.line(a, b, color, 1.5)

    def text(self, at, words, color=INK, size=15):
        self.draw.text((at[0] * SCALE, at[1] * SCALE), words, fill=color, font=ImageFont.load_default(size * SCALE))

    def save(self, path):
        self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(path)


def plane(sheet):
    sheet.text((20, 14), "In the plane: r . o and r . o', signed", size=17)
    i, j = (110, 250), (330, 150)
    o = (math.cos(-0.15), math.sin(-0.15))
    turned = (o[1], -o[0])  # a quarter turn ahead, with y upwards
    along = (j[0] - i[0]) * o[0] + (j[1] - i[1]) * o[1]
    foot = (i[0] + along * o[0], i[1] + along * o[1])
    sheet.line(i, foot, BLUE, 2, dashed=True)
    sheet.line(foot, j, GREEN, 2, dashed=True)
    sheet.arrow(i, j)
    sheet.arrow(i, (i[0] + 80 * o[0], i[1] + 80 * o[1]), RED)
    sheet.arrow(i, (i[0] + 55 * turned[0], i[1] + 55 * turned[1]), RED, 1.5)
    sheet.arrow(j, (j[0] + 60 * math.cos(-1.1), j[1] + 60 * math.sin(-1.1)), RED)
    sheet.dot(i)
    sheet.dot(j)
    sheet.text((i[0] - 22, i[1] + 8), "p_i")
    sheet.text((j[0] + 10, j[1] + 2), "p_j")
    sheet.text((i[0] + 60, i[1] + 2), "o_i", RED)
    sheet.text((i[0] - 42, i[1] - 52), "o_i'", RED)
    sheet.text((j[0] + 32, j[1] - 52), "o_j", RED)
    sheet.text((200, 172), "r", INK)
    sheet.text((218, 240), "r . o_i", BLUE)
    sheet.text((foot[0] + 8, 186), "r . o_i'", GREEN)
    sheet.text((20, 300), "A mirror turns the sign of r . o_i' and of", GREY)
    sheet.text((20, 320), "o_i' . o_j: kernels of E(2) must not see them.", GREY)


def space(sheet):
    left = 480
    sheet.text((left, 14), "In space: three numbers are not enough", size=17)
    i, j = (left + 70, 270), (left + 250, 150)
    sheet.arrow(i, (i[0], i[1] - 90), RED)
    sheet.arrow(i, j)
    sheet.dot(i)
    sheet.dot(j)
    sheet.text((i[0] - 32, i[1] - 84), "o_i", RED)
    sheet.text((i[0] - 22, i[1] + 8), "p_i")
    sheet.text((j[0] - 6, j[1] + 8), "p_j")
    sheet.text((left + 150, 220), "r")
    center = (j[0], j[1] - 62)
    sheet.line(j, (j[0], j[1] - 90), GREY, 1.5, dashed=True)
    sheet.ellipse(center, 52, 17)
    for angle, color, name, shift in ((0.35, RED, "o_j", (8, -6)), (2.5, BLUE, "another o_j", (-92, -14))):
        tip = (center[0] + 52 * math.cos(angle), center[1] + 17 * math.sin(angle))
        sheet.arrow(j, tip, color)
        sheet.text((tip[0] + shift[0], tip[1] + shift[1]), name, color)
    sheet.text((left, 300), "Both have the same r . o_i, |r - (r . o_i) o_i| and o_i . o_j,", GREY)
    sheet.text((left, 320), "but no motion carries one pair onto the other: r . o_j differs.", GREY)


if __name__ == "__main__":
    sheet = Sheet()
    plane(sheet)
    space(sheet)
    sheet.line((455, 20), (455, 340), "#dddddd", 1)
    sheet.save(Path(__file__).resolve().parents[1] / "docs" / "images" / "pair_invariants.png")
