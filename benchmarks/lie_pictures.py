"""The picture of docs/equivariance.md: digits under affine maps, their canonical frames, and the same in polar form.

    python benchmarks/lie_pictures.py --data mnist.npz
"""

import argparse
import math

import torch
from common import ROOT
from PIL import Image, ImageDraw
from torch import Tensor

from geokit.equivariant.lie import GLPlus
from geokit.equivariant.lie.canonical import Frames
from geokit.equivariant.lie.patches import image_frames, polar_patches
from geokit.pipelines.affine_digits import LAWS, moved_digits
from geokit.pipelines.digits import Digits, load_digits

CELL, GAP, LEFT = 150, 10, 150
LABELS = (
    "image, and the ellipse\nof its moments",
    "in its canonical frame,\na disc",
    "the same disc, angle\nupwards, radius across",
)
ORANGE = (255, 140, 40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz")
    picture = drawn(load_digits(parser.parse_args().data)["valid"])
    path = ROOT / "docs" / "images" / "lie_canonical.png"
    picture.save(path, optimize=True)
    print(path)


def drawn(digits: Digits) -> Image.Image:
    """Two digits, each as it is and under three maps."""
    images = []
    for index, seed in ((3, 5), (8, 7)):
        one = Digits(digits.images[index : index + 1].expand(3, -1, -1), digits.labels[index : index + 1].expand(3))
        images += [one.first(1).centered(), moved_digits(one, LAWS["wide"], seed)]
    together = torch.cat(images)
    shown, frames = image_frames(together, GLPlus(2))
    polar = polar_patches(shown, frames, angles=128, radii=32)[:, 0]
    canvas = Image.new("RGB", (LEFT + len(together) * (CELL + GAP), 3 * (CELL + GAP) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    for row, label in enumerate(LABELS):
        draw.multiline_text((4, GAP + row * (CELL + GAP) + CELL // 2), label, "black", anchor="lm", font_size=13)
    for column in range(len(together)):
        pictures = (
            with_ellipse(together[column, 0], frames, column),
            picture_of(disc(shown[column : column + 1], frames, column)),
            picture_of(polar[column].flip(0)),
        )
        for row, picture in enumerate(pictures):
            canvas.paste(picture, (LEFT + column * (CELL + GAP), GAP + row * (CELL + GAP)))
    return canvas


def picture_of(values: Tensor) -> Image.Image:
    """Grey, at the size of a cell."""
    grey = Image.fromarray((255 * values.clamp(0, 1)).byte().numpy())
    return grey.resize((CELL, CELL), Image.Resampling.BICUBIC).convert("RGB")


def with_ellipse(image: Tensor, frames: Frames, index: int) -> Image.Image:
    """The image, with what the circle of radius 2 becomes."""
    picture = picture_of(image)
    angles = torch.linspace(0, 2 * math.pi, 100)
    circle = 2 * torch.stack([angles.cos(), angles.sin()], dim=-1)
    points = (circle @ frames.matrix[index] + frames.mean[index] + image.shape[0] / 2) * (CELL / image.shape[0])
    ImageDraw.Draw(picture).line([tuple(p) for p in points.tolist()], ORANGE, 2)
    return picture


def disc(image: Tensor, frames: Frames, index: int, side: int = 96) -> Tensor:
    """(side, side) the image at mean + matrix u, |u| <= 3, interpolated from its polar patch."""
    one = Frames(frames.mean[index : index + 1], frames.log[index : index + 1])
    angles, radii = 512, 96
    patch = polar_patches(image, one, angles=angles, radii=radii)[0, 0]
    line = (torch.arange(side) + 0.5) / side * 2 - 1
    radius = (line.square() + line.square()[:, None]).sqrt()
    angle = torch.atan2(line[:, None].expand(side, side), line.expand(side, side)) % (2 * math.pi)
    values = patch[(angle / (2 * math.pi) * angles).long() % angles, (radius * radii).long().clamp(max=radii - 1)]
    return torch.where(radius < 1, values, 0.0)


if __name__ == "__main__":
    main()
