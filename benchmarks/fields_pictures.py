"""The picture of images in docs/fields.md: a field of few bytes, its error, and where its numbers are.

python benchmarks/fields_pictures.py
"""

import tempfile
from pathlib import Path

import torch
from common import ROOT
from PIL import Image, ImageDraw
from torch import Tensor

from geokit.fields.images import fit_image
from geokit.fields.storage import save_field
from geokit.io.pictures import load_picture
from geokit.pipelines.colormap import inferno, viridis
from geokit.pipelines.fit_image import psnr

SIZE, GAP, LINE = 384, 10, 22
BYTES = 32_000
ERROR = 0.1  # of white, shown brightest


def main() -> None:
    image = load_picture(ROOT.parent / "shared" / "data" / "images" / "astronaut.png")
    field = fit_image(image, size=BYTES)
    with tempfile.TemporaryDirectory() as folder:
        size = save_field(Path(folder) / "a.field", field)
    with torch.no_grad():
        made = field.raster().clamp(0, 1)
        part = field.raster(4 * 512, 4 * 512, slice(4 * 70, 4 * 198))[:, 4 * 160 : 4 * 288].clamp(0, 1)
    error = (made - image / 255).abs().mean(-1)
    numbers = field.keep.flatten(2).sum(-1).float()
    panels = [
        (f"{size / 1000:.0f} kB, {psnr(field, image):.1f} dB", made),
        ("its face, 4 x as large", part),
        (f"error, yellow is {ERROR:g} of white", inferno(error / ERROR)),
        (
            f"numbers in a tile, 0 to {int(numbers.max())}",
            viridis((numbers / numbers.max()).repeat_interleave(16, 0).repeat_interleave(16, 1)),
        ),
    ]
    canvas = Image.new("RGB", (len(panels) * (SIZE + GAP) - GAP, SIZE + LINE), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (name, pixels) in enumerate(panels):
        canvas.paste(picture_of(pixels), (i * (SIZE + GAP), LINE))
        draw.text((i * (SIZE + GAP), 2), name, "black", font_size=15)
    path = ROOT / "docs" / "images" / "fields_image.jpg"
    canvas.save(path, quality=88)
    print(path)


def picture_of(pixels: Tensor) -> Image.Image:
    return Image.fromarray((pixels * 255).round().to(torch.uint8).numpy()).resize(
        (SIZE, SIZE), Image.Resampling.LANCZOS
    )


if __name__ == "__main__":
    main()
