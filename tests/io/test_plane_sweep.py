import pytest
import torch

from geokit.geometry import Cameras, look_at
from geokit.io.plane_sweep import sweep

WIDTH, HEIGHT = 96, 72


def floor_cameras(count: int) -> Cameras:
    """Cameras that walk along above the floor z = 0 and look down at it, aslant."""
    step = torch.arange(count, dtype=torch.float64)
    eyes = torch.stack([0.25 * step - 0.125 * count, -2 + 0.1 * (2 * step).sin(), 3 + 0 * step], dim=1)
    targets = torch.stack([0.9 * eyes[:, 0], 0 * step, 0 * step], dim=1)
    poses = look_at(eyes, targets, torch.tensor([0.0, 0, 1]).double())
    K = torch.tensor([[90.0, 0, WIDTH / 2], [0, 90, HEIGHT / 2], [0, 0, 1]]).repeat(count, 1, 1)
    return Cameras(poses, K, ((WIDTH, HEIGHT),) * count)


def floor_colors(places: torch.Tensor) -> torch.Tensor:
    """A smooth pattern without repetition nearby, (..., 3) in [0, 1], of floor places (..., 2)."""
    x, y = places.unbind(-1)
    waves = [(3.1 * x + 1.7 * y * y).sin(), (4.3 * y - 1.1 * x * x).sin(), (2.3 * x * y + 5.1 * x).sin()]
    return 0.5 + 0.4 * torch.stack(waves, dim=-1)


def photographs_of_the_floor(cameras: Cameras) -> list[torch.Tensor]:
    v, u = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    pixels = torch.stack([u, v, torch.ones_like(u)], dim=-1).double()
    found = []
    for i in range(len(cameras)):
        rays = pixels @ torch.linalg.inv(cameras.K[i]).T @ cameras.world_to_camera[i, :3, :3]
        depth = -cameras.centers[i, 2] / rays[..., 2]
        found.append(floor_colors((cameras.centers[i] + depth[..., None] * rays)[..., :2]).float())
    return found


def test_points_lie_on_the_floor_and_have_its_colours() -> None:
    cameras = floor_cameras(9)
    photographs = photographs_of_the_floor(cameras)
    generator = torch.Generator().manual_seed(0)
    points, colors = sweep(cameras, photographs, [None] * 9, (1.0, 16.0), 3000, generator)
    assert 2700 < len(points) <= 3000
    assert points.dtype == colors.dtype == torch.float32
    height = points[:, 2].abs()
    assert float(height.median()) < 0.06  # the cameras are 3 above, and depths from 1 to 16 were tried
    assert float((height < 0.3).float().mean()) > 0.8
    true = height < 0.06
    assert float((floor_colors(points[true, :2].double()) - colors[true]).abs().median()) < 0.05


def test_only_solid_pixels_start_a_ray() -> None:
    cameras = floor_cameras(6)
    photographs = photographs_of_the_floor(cameras)
    left = torch.zeros(HEIGHT, WIDTH)
    left[:, : WIDTH // 2] = 1
    generator = torch.Generator().manual_seed(0)
    points, _ = sweep(cameras[[0, 1, 2]], photographs[:3], [left, left * 0, None], (1.0, 16.0), 300, generator)
    assert 0 < len(points) <= 200
    nothing = [left * 0] * 3
    assert len(sweep(cameras[[0, 1, 2]], photographs[:3], nothing, (1.0, 16.0), 300, generator)[0]) == 0


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_cameras_give_no_points(count: int) -> None:
    cameras = floor_cameras(count)
    photographs = photographs_of_the_floor(cameras)
    points, colors = sweep(cameras, photographs, [None] * count, (1.0, 16.0), 100, torch.Generator().manual_seed(0))
    assert points.shape == colors.shape == (0, 3)


def test_large_photographs_of_several_sizes() -> None:
    cameras = floor_cameras(9)
    photographs = photographs_of_the_floor(cameras)
    larger = [(WIDTH * 8, HEIGHT * 8) if i % 2 else (WIDTH, HEIGHT) for i in range(9)]
    scaled = [
        torch.nn.functional.interpolate(p.permute(2, 0, 1)[None], (h, w), mode="bilinear")[0].permute(1, 2, 0)
        for p, (w, h) in zip(photographs, larger)
    ]
    points, _ = sweep(cameras.resized(larger), scaled, [None] * 9, (1.0, 16.0), 1000, torch.Generator().manual_seed(0))
    assert float(points[:, 2].abs().median()) < 0.2
