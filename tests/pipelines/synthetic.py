"""A tiny capture whose photographs geokit itself renders, and what it takes to reconstruct it in a second or two."""

import json
from pathlib import Path

import torch

from geokit.geometry import Cameras, PointCloud, Splats
from geokit.io import save_picture
from geokit.io.point_files import save_point_ply
from geokit.splatting import render
from tests.io.builders import opengl, ring

WIDTH, HEIGHT, FOCAL = 48, 36, 50.0
QUICK = {"steps": 24, "initial_splats": 60, "max_splats": 80}  # for geokit.pipelines.reconstruct
QUICK_OPTIONS = ["--steps", "24", "--max-splats", "80"]  # for the command line


def ring_cameras(count: int) -> Cameras:
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]], dtype=torch.float64)
    return Cameras(ring(count), K.repeat(count, 1, 1), ((WIDTH, HEIGHT),) * count)


def colorful_splats(count: int = 60, seed: int = 0) -> Splats:
    g = torch.Generator().manual_seed(seed)
    return Splats(
        means=0.6 * torch.randn(count, 3, generator=g),
        quats=torch.randn(count, 4, generator=g),
        log_scales=torch.randn(count, 3, generator=g) * 0.3 - 1.6,
        logit_opacities=torch.randn(count, generator=g) + 2,
        sh_coeffs=torch.randn(count, 1, 3, generator=g),
    )


def write_capture(folder: Path, count: int = 10) -> Path:
    """A nerfstudio capture with initial points, `images/00.png`, ..."""
    splats, cameras, frames = colorful_splats(), ring_cameras(count), []
    for i in range(count):
        name = f"images/{i:02d}.png"
        save_picture(folder / name, render(splats, cameras[i]).image)
        frames.append({"file_path": name, "transform_matrix": opengl(cameras.world_to_camera[i])})
    save_point_ply(folder / "points.ply", PointCloud(splats.means + 0.02, torch.full_like(splats.means, 0.5)))
    top = {"w": WIDTH, "h": HEIGHT, "fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2}
    top |= {"ply_file_path": "points.ply", "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(top))
    return folder
