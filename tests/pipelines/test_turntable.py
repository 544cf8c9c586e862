"""The moving picture and the path of its camera."""

import math

import pytest
import torch
from PIL import Image

from geokit.geometry import Cameras, look_at
from geokit.pipelines.turntable import save_gif, turntable_cameras
from tests.pipelines.synthetic import ring_cameras


def cameras_at(eyes, targets, width=640, height=480):
    K = torch.tensor([[500.0, 0, width / 2], [0, 500.0, height / 2], [0, 0, 1]], dtype=torch.float64)
    poses = look_at(eyes, targets, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    return Cameras(poses, K.repeat(len(eyes), 1, 1), ((width, height),) * len(eyes))


def circle(start, end, count, radius=3.0, height=1.0):
    angle = torch.linspace(start, end, count, dtype=torch.float64)
    return torch.stack([radius * angle.cos(), radius * angle.sin(), torch.full_like(angle, height)], dim=1)


def test_cameras_all_around_give_a_full_circle_at_their_distance():
    path = turntable_cameras(cameras_at(circle(0, 2 * math.pi * 0.95, 20), torch.zeros(3)))
    assert len(path) == 48
    assert path.sizes[0] == (480, 360)
    azimuth = torch.atan2(path.centers[:, 1], path.centers[:, 0])
    assert len((azimuth / (math.pi / 6)).floor().remainder(12).unique()) == 12  # all hours of the clock
    torch.testing.assert_close(path.centers.norm(dim=1), torch.full((48,), 10**0.5, dtype=torch.float64))
    ahead = torch.nn.functional.normalize(-path.centers, dim=1)
    assert ((ahead * path.forwards).sum(1) > 0.9999).all()


def test_cameras_on_one_side_give_a_path_to_and_fro_on_that_side():
    path = turntable_cameras(cameras_at(circle(-0.6, 0.6, 9), torch.zeros(3)))
    azimuth = torch.atan2(path.centers[:, 1], path.centers[:, 0])
    assert azimuth.abs().max() < 0.6
    assert azimuth.max() - azimuth.min() > 0.9


@pytest.mark.parametrize("outward", [False, True])
def test_the_path_is_closed_and_smooth(outward):
    eyes = circle(0, 5.5, 24, radius=3)
    path = turntable_cameras(cameras_at(eyes, 5 * eyes if outward else torch.zeros(3)))
    # Once around at an even pace, or along 5.5 radians and back at that of a cosine: pi / 2 times its mean at most.
    fastest = math.pi / 2 * 2 * 5.5 / len(path) if outward else 2 * math.pi / len(path)
    steps = (path.centers - path.centers.roll(1, 0)).norm(dim=1)
    assert steps.max() < 1.05 * 3 * fastest
    turns = (path.forwards * path.forwards.roll(1, 0)).sum(1).clamp(-1, 1).acos()
    assert turns.max() < 1.05 * fastest


def test_outward_cameras_are_followed():
    eyes = circle(0, 4, 24)
    cameras = cameras_at(eyes, 5 * eyes)
    path = turntable_cameras(cameras)
    assert torch.cdist(path.centers, cameras.centers).min(dim=1).values.max() < 0.4


def test_two_cameras_suffice():
    assert torch.isfinite(turntable_cameras(ring_cameras(2)).world_to_camera).all()


def test_photographs_from_above_do_not_fail():
    eyes = torch.tensor([[0.0, 0.1, 5], [1, 0, 5], [-1, 0.2, 5], [0, 1, 5]], dtype=torch.float64)
    assert len(turntable_cameras(cameras_at(eyes, eyes * torch.tensor([1.0, 1, 0]) + 0.01))) == 48


def test_gif(tmp_path):
    pictures = [torch.full((6, 8, 3), i / 10) for i in range(10)]
    save_gif(tmp_path / "a.gif", pictures, seconds=1)
    with Image.open(tmp_path / "a.gif") as movie:
        assert (movie.n_frames, movie.size, movie.info["duration"], movie.info["loop"]) == (10, (8, 6), 100, 0)
        movie.seek(9)
        assert abs(movie.convert("RGB").getpixel((3, 3))[0] - 230) < 16
