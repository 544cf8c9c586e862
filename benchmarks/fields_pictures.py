"""The pictures of docs/fields.md: an image in few bytes, its error and its numbers; a surface from noisy points.

python benchmarks/fields_pictures.py
"""

import tempfile
from pathlib import Path

import torch
from common import ROOT
from PIL import Image, ImageDraw
from torch import Tensor

from geokit.fields import fit_image, fit_sdf, surface_from_points
from geokit.fields.storage import save_field
from geokit.geometry.framing import frame_camera
from geokit.geometry.render_mesh import render_mesh
from geokit.geometry.render_points import render_points
from geokit.geometry.surface_sampling import sample_surface
from geokit.io.meshes import load_mesh
from geokit.io.pictures import load_picture
from geokit.pipelines.colormap import inferno, viridis
from geokit.pipelines.fit_image import psnr

DATA = ROOT.parent / "shared" / "data"
SIZE, GAP, LINE = 384, 10, 22
NOISE, NUMBERS = 0.01, 20_000
BYTES = 32_000
ERROR = 0.1  # of white, shown brightest


def image_panels() -> list[tuple[str, Tensor]]:
    image = load_picture(DATA / "images" / "astronaut.png")
    field = fit_image(image, size=BYTES)
    with tempfile.TemporaryDirectory() as folder:
        size = save_field(Path(folder) / "a.field", field)
    with torch.no_grad():
        made = field.raster().clamp(0, 1)
        part = field.raster(4 * 512, 4 * 512, slice(4 * 70, 4 * 198))[:, 4 * 160 : 4 * 288].clamp(0, 1)
    error = (made - image / 255).abs().mean(-1)
    numbers = field.keep.flatten(2).sum(-1).float()
    return [
        (f"{size / 1000:.0f} kB, {psnr(field, image):.1f} dB", made),
        ("its face, 4 x as large", part),
        (f"error, yellow is {ERROR:g} of white", inferno(error / ERROR)),
        (
            f"numbers in a tile, 0 to {int(numbers.max())}",
            viridis((numbers / numbers.max()).repeat_interleave(16, 0).repeat_interleave(16, 1)),
        ),
    ]


def surface_panels() -> list[tuple[str, Tensor]]:
    mesh = load_mesh(DATA / "meshes" / "spot.obj")
    mesh = mesh.replace(texture=None, uv=None) if mesh.texture is not None else mesh
    cloud = sample_surface(mesh, 100_000)
    noise = NOISE * mesh.extent * torch.randn(cloud.points.shape, generator=torch.Generator().manual_seed(0))
    noisy = cloud.replace(points=cloud.points + noise)
    made = surface_from_points(noisy)
    field = fit_sdf(mesh, NUMBERS)
    camera = frame_camera(mesh, (0.8, 0.3, -1.0), width=SIZE, height=SIZE)
    shapes = [
        (f"100,000 points, {100 * NOISE:g} % noise", render_points(noisy, camera, 1.0).image),
        ("the surface through them", render_mesh(made, camera).image),
        (f"distances in {NUMBERS:,} numbers", render_mesh(field.mesh(256), camera).image),
        ("the mesh itself", render_mesh(mesh, camera).image),
    ]
    return [(name, image.detach().clamp(0, 1)) for name, image in shapes]


def main() -> None:
    for name, panels in (("image", image_panels()), ("surface", surface_panels())):
        drawn(panels).save(ROOT / "docs" / "images" / f"fields_{name}.jpg", quality=88)


def drawn(panels: list[tuple[str, Tensor]]) -> Image.Image:
    canvas = Image.new("RGB", (len(panels) * (SIZE + GAP) - GAP, SIZE + LINE), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (name, pixels) in enumerate(panels):
        canvas.paste(picture_of(pixels), (i * (SIZE + GAP), LINE))
        draw.text((i * (SIZE + GAP), 2), name, "black", font_size=15)
    return canvas


def picture_of(pixels: Tensor) -> Image.Image:
    return Image.fromarray((pixels * 255).round().to(torch.uint8).numpy()).resize(
        (SIZE, SIZE), Image.Resampling.LANCZOS
    )


if __name__ == "__main__":
    main()
