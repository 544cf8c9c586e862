import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry import Cameras
from geokit.geometry.camera_path import in_picture, keys_of, path_cameras
from geokit.geometry.rotations import geodesic_distance, random_rotations


def keys(count: int, seed: int = 0, sizes: tuple[tuple[int, int], ...] | None = None) -> Cameras:
    g = torch.Generator().manual_seed(seed)
    pose = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    pose[:, :3, :3] = random_rotations(count, generator=g, dtype=torch.float64)
    pose[:, :3, 3] = torch.randn(count, 3, generator=g, dtype=torch.float64)
    focal = 50 + 50 * torch.rand(count, generator=g, dtype=torch.float64)
    K = torch.zeros(count, 3, 3, dtype=torch.float64)
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, 0, 2], K[:, 1, 2], K[:, 2, 2] = 32, 24, 1
    return Cameras(pose, K, sizes or ((64, 48),) * count)


@given(st.integers(1, 6), st.integers(1, 9), st.booleans(), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_a_path_goes_through_its_keys(count, steps, loop, seed):
    views = keys(count, seed)
    path = path_cameras(views, steps, loop)
    legs = count if loop and count > 1 else count - 1
    assert len(path) == legs * steps + (0 if loop and count > 1 else 1)
    found = keys_of(path)
    assert len(found) == count
    assert torch.allclose(found.world_to_camera, views.world_to_camera, atol=1e-9)
    assert torch.allclose(found.K, views.K)
    assert len(set(path.names)) == len(path)


@pytest.mark.parametrize("loop", [False, True])
def test_a_path_is_smooth(loop):
    path = path_cameras(keys(5, 3), 400, loop)
    centers = path.centers
    if loop:
        centers = torch.cat([centers, centers[:2]])
    velocity = centers.diff(dim=0)
    assert velocity.diff(dim=0).norm(dim=1).max() < 0.05 * velocity.norm(dim=1).max()
    rotation = path.world_to_camera[:, :3, :3]
    turns = geodesic_distance(rotation[:-1], rotation[1:])
    assert turns.max() < 0.05  # no jump between neighbouring frames
    assert turns.diff().abs().max() < 0.1 * turns.max()  # no kink


def test_equal_views_make_a_path_that_stands_still():
    view = keys(1)
    path = path_cameras(Cameras(view.world_to_camera.repeat(3, 1, 1), view.K.repeat(3, 1, 1), view.sizes * 3), 4)
    assert torch.allclose(path.world_to_camera, view.world_to_camera.expand_as(path.world_to_camera), atol=1e-12)


def test_pictures_of_other_sizes_keep_what_is_seen_from_top_to_bottom():
    resized = in_picture(keys(2, sizes=((64, 48), (64, 24))), 200, 96)
    original = keys(2)
    assert resized.sizes == ((200, 96), (200, 96))
    assert torch.allclose(resized.K[0, 1, 1] / 96, original.K[0, 1, 1] / 48)
    assert torch.allclose(resized.K[1, 1, 1] / 96, original.K[1, 1, 1] / 24)
    assert float(resized.K[0, 0, 2]) == 100


def test_without_names_of_a_path_every_camera_is_a_key():
    assert len(keys_of(keys(4))) == 4


def test_no_path_without_views_or_steps():
    with pytest.raises(InvalidInput, match="at least one key"):
        path_cameras(keys(2), 0)
    with pytest.raises(InvalidInput, match="at least one key"):
        path_cameras(keys(2)[[]], 3)
