from pathlib import Path

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry import Cameras, PointCloud, look_at
from geokit.io import load_capture, save_picture, save_point_ply
from geokit.io.initial_points import initial_points, look_at_point, random_points
from tests.io.builders import HEIGHT, WIDTH, ring, write_nerfstudio


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cameras(poses: torch.Tensor) -> Cameras:
    K = torch.tensor([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]]).repeat(len(poses), 1, 1)
    return Cameras(poses, K, ((WIDTH, HEIGHT),) * len(poses))


def times_seen(cameras: Cameras, points: torch.Tensor) -> torch.Tensor:
    local = torch.einsum("nij,pj->npi", cameras.world_to_camera[:, :3, :3], points.double())
    local = local + cameras.world_to_camera[:, None, :3, 3]
    pixels = torch.einsum("nij,npj->npi", cameras.K, local / local[..., 2:])
    inside = (pixels[..., 0] >= 0) & (pixels[..., 0] < WIDTH) & (pixels[..., 1] >= 0) & (pixels[..., 1] < HEIGHT)
    return (inside & (local[..., 2] > 0)).sum(0)


def test_the_points_of_the_capture_come_first(tmp_path: Path) -> None:
    cloud = PointCloud(
        torch.randn(20, 3, generator=generator()), torch.rand(20, 3, generator=generator()).mul(255).round() / 255
    )
    save_point_ply(tmp_path / "points.ply", cloud)
    write_nerfstudio(tmp_path, 3, ply_file_path="points.ply")
    capture = load_capture(tmp_path)
    every = initial_points(capture, 100, generator())
    assert torch.equal(every.points, cloud.points)
    assert torch.allclose(every.colors, cloud.colors)
    some = initial_points(capture, 5, generator())
    assert len(some) == 5
    matches = (some.points[:, None] == cloud.points[None]).all(-1)
    assert matches.any(1).all()
    assert torch.allclose(some.colors, cloud.colors[matches.long().argmax(1)])
    with pytest.raises(InvalidInput, match="positive"):
        initial_points(capture, 0, generator())


def test_points_without_colours_are_grey(tmp_path: Path) -> None:
    save_point_ply(tmp_path / "points.ply", PointCloud(torch.randn(4, 3, generator=generator())))
    write_nerfstudio(tmp_path, 3, ply_file_path="points.ply")
    assert initial_points(load_capture(tmp_path), 9, generator()).colors.unique().tolist() == [0.5]


def test_the_point_that_all_look_at() -> None:
    assert torch.allclose(look_at_point(cameras(ring(6))), torch.zeros(3).double(), atol=0.05)
    shifted = ring(6)
    target = torch.tensor([3.0, -2.0, 5.0]).double()
    shifted[:, :3, 3] -= (shifted[:, :3, :3] @ target[:, None])[..., 0]
    assert torch.allclose(look_at_point(cameras(shifted)), target, atol=0.05)


def test_random_points_are_seen_by_a_third_of_the_cameras() -> None:
    ring_of_cameras = cameras(ring(9))
    points = random_points(ring_of_cameras, 2000, generator())
    assert points.shape == (2000, 3)
    assert points.dtype == torch.float32
    assert int(times_seen(ring_of_cameras, points).min()) >= 3
    depth = (ring_of_cameras.world_to_camera[:, None, 2, :3] @ points.double().T[None]).squeeze() + (
        ring_of_cameras.world_to_camera[:, 2, 3:]
    )
    assert float(depth.median()) == pytest.approx(4, rel=0.5)
    again = random_points(ring_of_cameras, 2000, generator())
    assert torch.equal(points, again)
    assert not torch.equal(points, random_points(ring_of_cameras, 2000, generator(1)))


@pytest.mark.parametrize("case", ["parallel", "outwards", "two"])
def test_odd_rigs_get_points_too(case: str) -> None:
    """Cameras side by side looking the same way; cameras that look away from each other; two cameras."""
    up = torch.tensor([0.0, 1, 0]).double()
    if case == "outwards":
        angle = torch.arange(6).double()
        eyes = torch.stack([angle.cos(), 0 * angle, angle.sin()], 1)
        rig = cameras(look_at(eyes, 5 * eyes, up))
    else:
        eyes = torch.tensor([[0.3 * i, 0, 0] for i in range(2 if case == "two" else 8)]).double()
        rig = cameras(look_at(eyes, eyes + torch.tensor([0.0, 0, 1]).double(), up))
    points = random_points(rig, 500, generator())
    assert points.shape == (500, 3)
    assert bool(torch.isfinite(points).all())
    assert int(times_seen(rig, points).min()) >= (1 if case == "outwards" else 2)


def test_colours_are_those_of_the_training_photographs(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 6)
    for i in range(6):
        held_out = i == 0
        color = torch.tensor([0.0, 0, 1.0] if held_out else [0.2, 0.6, 0.4])
        save_picture(tmp_path / f"images/{i:03d}.png", color.expand(HEIGHT, WIDTH, 3))
    capture = load_capture(tmp_path)
    assert capture.test == [0]
    cloud = initial_points(capture, 300, generator())
    assert len(cloud) == 300
    assert torch.allclose(cloud.colors, torch.tensor([0.2, 0.6, 0.4]).expand(300, 3), atol=1e-6)


def test_two_cameras_get_random_points(tmp_path: Path) -> None:
    write_nerfstudio(tmp_path, 3)
    capture = load_capture(tmp_path)
    assert len(capture.train) == 2  # too few for the sweep
    cloud = initial_points(capture, 40, generator())
    assert len(cloud) == 40
    assert int(times_seen(capture.cameras, cloud.points).min()) >= 1


@pytest.mark.slow
@pytest.mark.data
def test_the_points_of_the_fox_lie_near_its_surfaces(data_folder: Path) -> None:
    capture = load_capture(data_folder / "splatting/fox", downscale=8)
    known = load_capture(data_folder / "splatting/fox_colmap").points.points
    points = initial_points(capture, 5000, generator()).points
    random = random_points(capture.cameras, 5000, generator())
    near, far = (torch.cdist(p, known).amin(1).median() for p in (points, random))
    assert float(near) < 0.25
    assert float(near) < float(far) / 3


@pytest.mark.data
def test_the_fox_is_inside_its_random_points(data_folder: Path) -> None:
    random = random_points(load_capture(data_folder / "splatting/fox", downscale=8).cameras, 20_000, generator())
    known = load_capture(data_folder / "splatting/fox_colmap").points
    nearest = torch.cdist(known.points[::20], random).amin(1)
    assert float(nearest.median()) < 0.2  # the cameras stand some 5 units away
