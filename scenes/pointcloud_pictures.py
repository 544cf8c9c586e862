"""The picture of the classes of shapes that `geokit train pointclouds` learns to tell apart.

    python scenes/pointcloud_pictures.py --output docs/images

Three shapes of each class, the third one rotated.
"""

import argparse
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from geokit.geometry.framing import frame_camera
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.render_points import render_points
from geokit.pipelines.colormap import viridis
from geokit.pipelines.shape_clouds import shape_clouds

COLUMNS, SHOWN, WIDTH, CAPTION = 4, 3, 128, 24  # of classes, clouds of each, pixels
INK = (60, 64, 70)
LARGEST_FILE = 150_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/images"), help="folder of the picture")
    parser.add_argument("--points", type=int, default=512, help="in a cloud")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sheet = classes_sheet(options.points, options.seed)
    file = options.output / "pointcloud_classes.jpg"
    for quality in range(92, 40, -4):
        sheet.save(file, quality=quality)
        if file.stat().st_size <= LARGEST_FILE:
            break


def classes_sheet(points: int, seed: int) -> Image.Image:
    """Three clouds of every class, coloured by height; the third one rotated."""
    upright = shape_clouds(SHOWN, points, seed=seed)
    rotated = upright.posed("rotated", seed)
    rows = -(-len(upright.classes) // COLUMNS)
    gap = WIDTH // 5
    sheet = Image.new("RGB", (COLUMNS * (SHOWN * WIDTH + gap), rows * (WIDTH + CAPTION)), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, label in enumerate(upright.labels.tolist()):
        shown = number % SHOWN
        left = label % COLUMNS * (SHOWN * WIDTH + gap) + gap // 2 + shown * WIDTH
        top = label // COLUMNS * (WIDTH + CAPTION)
        clouds = rotated if shown == SHOWN - 1 else upright
        cloud = PointCloud(clouds.points[number], colors=colors(upright.points[number]))
        camera = frame_camera(cloud, (1.0, -2.2, 1.1), up=(0.0, 0.0, 1.0), width=WIDTH, height=WIDTH, margin=0.08)
        picture = render_points(cloud, camera, 1.7, supersample=4).image
        sheet.paste(Image.fromarray((picture * 255).round().to(torch.uint8).numpy()), (left, top))
        if shown == 1:
            draw.text((left + WIDTH / 2, top + WIDTH + 1), upright.classes[label], INK, font, "mt")
    return sheet


def colors(points: torch.Tensor) -> torch.Tensor:
    """(N, 3) by height before any rotation."""
    height = points[:, 2]
    share = (height - height.amin()) / (height.amax() - height.amin())
    return viridis(0.15 + 0.7 * share).float()


if __name__ == "__main__":
    main()
