import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry import Cameras
from geokit.geometry.cameras import look_at
from tests.reference import scenes

F64 = torch.float64
SIZES = ((64, 48), (100, 50), (31, 77), (64, 48), (20, 20))


def poses(count: int) -> torch.Tensor:
    g = scenes.generator(3)
    return torch.stack([scenes.random_pose(g) for _ in range(count)])


def intrinsics(count: int) -> torch.Tensor:
    K = torch.eye(3, dtype=F64).repeat(count, 1, 1)
    g = scenes.generator(4)
    K[:, 0, 0], K[:, 1, 1] = scenes.uniform(g, count, low=40, high=90), scenes.uniform(g, count, low=40, high=90)
    K[:, :2, 2] = scenes.uniform(g, count, 2, low=10, high=40)
    return K


def some_cameras() -> Cameras:
    return Cameras(poses(5), intrinsics(5), SIZES, tuple("abcde"))


def test_cameras_go_to_a_device_whole():
    there = some_cameras().to("cpu")
    assert torch.equal(there.world_to_camera, some_cameras().world_to_camera)
    assert (there.sizes, there.names) == (some_cameras().sizes, some_cameras().names)
    assert there.K.dtype == F64


def pixels(cameras: Cameras, points: torch.Tensor) -> torch.Tensor:
    """(N, P, 2) where the points (P, 3) are seen."""
    seen = points @ cameras.world_to_camera[:, :3, :3].transpose(1, 2) + cameras.world_to_camera[:, None, :3, 3]
    image = seen @ cameras.K.transpose(1, 2)
    return image[..., :2] / image[..., 2:]


def test_the_centre_maps_to_the_origin_of_the_camera():
    cameras = some_cameras()
    homogeneous = torch.cat([cameras.centers, torch.ones(5, 1, dtype=F64)], 1)
    seen = (cameras.world_to_camera @ homogeneous[..., None])[..., 0]
    torch.testing.assert_close(seen, torch.tensor([0.0, 0, 0, 1], dtype=F64).repeat(5, 1))


def test_a_step_forwards_is_a_step_along_z():
    cameras = some_cameras()
    ahead = cameras.centers + 2.5 * cameras.forwards
    homogeneous = torch.cat([ahead, torch.ones(5, 1, dtype=F64)], 1)
    seen = (cameras.world_to_camera @ homogeneous[..., None])[..., 0]
    torch.testing.assert_close(seen, torch.tensor([0.0, 0, 2.5, 1], dtype=F64).repeat(5, 1))


def test_extent_is_1_1_times_the_farthest_camera_from_their_mean():
    eyes = torch.tensor([[3.0, 0, 0], [-1.0, 0, 0], [-2.0, 0, 0]], dtype=F64)  # their mean is the origin
    pose = look_at(eyes, torch.tensor([0.0, 0, 9.0]), torch.tensor([0.0, 1, 0]))
    assert Cameras(pose, intrinsics(3), SIZES[:3]).extent == pytest.approx(3.3)
    turned = Cameras(pose @ poses(1)[0], intrinsics(3), SIZES[:3])  # the world moved rigidly
    assert turned.extent == pytest.approx(3.3)
    assert some_cameras()[0].extent == 1e-6


def test_look_at_sees_the_target_in_the_middle_and_up_above():
    g = scenes.generator(0)
    eyes, target, up = scenes.normal(g, 6, 3) + 4, scenes.normal(g, 3), torch.tensor([0.2, 1.0, -0.3], dtype=F64)
    pose = look_at(eyes, target, up)
    cameras = Cameras(pose, intrinsics(6), ((64, 48),) * 6)  # rotations, or this raises
    torch.testing.assert_close(cameras.centers, eyes)
    torch.testing.assert_close(pixels(cameras, target[None])[:, 0], cameras.K[:, :2, 2])
    above = pixels(cameras, target[None] + 0.1 * up)[:, 0] - cameras.K[:, :2, 2]
    assert bool((above[:, 1] < 0).all()), "y points down in the image"
    torch.testing.assert_close(above[:, 0], torch.zeros(6, dtype=F64))


def test_look_at_along_up_is_refused():
    with pytest.raises(InvalidInput, match="look_at: the up vector is parallel to a viewing direction; choose another"):
        look_at(torch.tensor([[1.0, 0, 0], [0, 3.0, 0]]), torch.zeros(3), torch.tensor([0.0, 1, 0]))


@pytest.mark.parametrize("factor", [0.5, 1 / 3, 2.0, 0.31])
def test_scaled_cameras_see_points_at_scaled_pixels(factor):
    cameras = some_cameras()
    scaled = cameras.scaled(factor)
    points = scenes.normal(scenes.generator(1), 9, 3)
    for (width, height), (new_width, new_height) in zip(cameras.sizes, scaled.sizes):
        assert abs(new_width - factor * width) <= 0.5
        assert abs(new_height - factor * height) <= 0.5
    ratio = torch.tensor(scaled.sizes, dtype=F64) / torch.tensor(cameras.sizes)
    torch.testing.assert_close(pixels(scaled, points), pixels(cameras, points) * ratio[:, None])
    assert torch.equal(scaled.world_to_camera, cameras.world_to_camera)
    assert scaled.names == cameras.names


def test_resized_follows_each_size_exactly():
    cameras = some_cameras()
    sizes = [(7, 96), (1, 1), (31, 77), (640, 480), (13, 40)]
    resized = cameras.resized(sizes)
    assert resized.sizes == tuple(sizes)
    points = scenes.normal(scenes.generator(1), 4, 3)
    ratio = torch.tensor(sizes, dtype=F64) / torch.tensor(cameras.sizes)
    torch.testing.assert_close(pixels(resized, points), pixels(cameras, points) * ratio[:, None])
    torch.testing.assert_close(resized.resized(cameras.sizes).K, cameras.K)


def test_an_image_never_scales_to_nothing():
    assert some_cameras().scaled(1e-3).sizes == ((1, 1),) * 5
    for factor in (0.0, -1.0, math.nan):
        with pytest.raises(InvalidInput, match="the scale of an image must be positive"):
            some_cameras().scaled(factor)


def test_indexing():
    cameras = some_cameras()
    for index, expected in ((1, "b"), (-1, "e"), (slice(1, 4, 2), "bd"), ([4, 0, 0], "eaa"), (slice(5, 9), "")):
        picked = cameras[index]
        assert picked.names == tuple(expected)
        assert len(picked) == len(expected)
        rows = ["abcde".index(name) for name in expected]
        assert torch.equal(picked.world_to_camera, cameras.world_to_camera[rows])
        assert torch.equal(picked.K, cameras.K[rows])
        assert picked.sizes == tuple(SIZES[i] for i in rows)
    for wrong in (5, -6, [0, 7]):
        with pytest.raises(IndexError):
            cameras[wrong]


def test_iterating_gives_every_camera_once():
    assert [camera.names for camera in some_cameras()] == [(name,) for name in "abcde"]


def test_what_is_stored_is_float64_and_named():
    cameras = Cameras(poses(2).float(), intrinsics(2).float(), SIZES[:2])
    assert cameras.world_to_camera.dtype == cameras.K.dtype == F64
    assert cameras.names == ("camera_0000", "camera_0001")
    assert repr(cameras) == "Cameras(2 pinhole, 64x48, 100x50 px)"


def mirrored(pose: torch.Tensor) -> None:
    pose[1, 0] *= -1


def stretched(pose: torch.Tensor) -> None:
    pose[1, :3, :3] *= 1.01


def not_a_number(pose: torch.Tensor) -> None:
    pose[0, 2, 3] = math.nan


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (mirrored, r"camera 'b': the upper 3x3 block of world_to_camera is not a rotation"),
        (stretched, r"camera 'b': .* \(R R' differs from the identity by 0.02\); check the pose file"),
        (not_a_number, r"world_to_camera must be finite, but 1 of its 32 values are NaN or infinite"),
    ],
)
def test_wrong_poses(spoil, sentence):
    pose = poses(2)
    spoil(pose)
    with pytest.raises(InvalidInput, match=sentence):
        Cameras(pose, intrinsics(2), SIZES[:2], ("a", "b"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sizes": SIZES[:3]}, r"world_to_camera must have shape \(3, 4, 4\), got \(2, 4, 4\)"),
        ({"world_to_camera": torch.eye(4)}, r"world_to_camera must have shape \(2, 4, 4\), got \(4, 4\)"),
        ({"K": torch.eye(3)[None]}, r"K must have shape \(2, 3, 3\), got \(1, 3, 3\)"),
        ({"K": torch.full((2, 3, 3), math.inf)}, r"K must be finite, but 18 of its 18"),
        ({"names": ("a",)}, r"cameras need one name each: got 1 names for 2 cameras"),
        ({"sizes": ((4, 4), (0, 4))}, r"camera 'b': image size \(0, 4\) must be positive"),
        ({"sizes": ((4, -1), (4, 4))}, r"camera 'a': image size \(4, -1\) must be positive"),
        ({"K": torch.diag(torch.tensor([5.0, 0.0, 1.0])).repeat(2, 1, 1)}, r"camera 'a': focal lengths must be"),
        ({"K": torch.diag(torch.tensor([-5.0, 5.0, 1.0])).repeat(2, 1, 1)}, r"focal lengths .* got \[-5.0, 5.0\]"),
    ],
)
def test_wrong_fields(changes, sentence):
    fields = {"world_to_camera": poses(2), "K": intrinsics(2), "sizes": SIZES[:2], "names": ("a", "b")}
    with pytest.raises(InvalidInput, match=sentence):
        Cameras(**(fields | changes))
