import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.backend.splatting_ops import spherical_harmonics
from geokit.errors import InvalidInput
from geokit.geometry import Cameras, Splats
from geokit.geometry.rotations import random_rotations
from geokit.geometry.splat_transforms import rotate_harmonics, transform_splats
from geokit.splatting import render


def scene(seed: int, degree: int = 3, waves: int = 2, channels: bool = False) -> Splats:
    g = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    return Splats(
        random(60, 3) * 0.5, random(60, 4), random(60, 3) * 0.4 - 2, random(60), random(60, (degree + 1) ** 2, 3) * 0.3,
        random(60, waves, 3) * 2, random(60, waves, 2, *([3] if channels else [])) * 0.3,
    )  # fmt: skip


def camera() -> Cameras:
    pose = torch.eye(4, dtype=torch.float64)
    pose[2, 3] = 4
    K = torch.tensor([[60.0, 0, 32], [0, 60.0, 24], [0, 0, 1]], dtype=torch.float64)
    return Cameras(pose[None], K[None], ((64, 48),))


def similarity(seed: int, scale: float = 1.0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3] = scale * random_rotations(generator=g, dtype=torch.float64)
    matrix[:3, 3] = torch.randn(3, generator=g, dtype=torch.float64)
    return matrix


@pytest.mark.parametrize(("degree", "waves", "channels"), [(0, 0, False), (1, 1, False), (2, 0, False), (3, 2, True)])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_camera_that_moves_along_sees_the_same_picture(degree, waves, channels, scale):
    splats, matrix, view = scene(1, degree, waves, channels), similarity(2, scale), camera()
    moved = transform_splats(splats, matrix)
    pose = view.world_to_camera[0] @ torch.linalg.inv(matrix)
    pose[:3] *= scale  # the camera's axes stay of length one; its distances grow
    along = Cameras(pose[None], view.K, view.sizes)
    here = render(splats, view, depth=True, near=0.01)
    there = render(moved, along, depth=True, near=0.01 * scale)
    assert (here.image - there.image).abs().max() < 1e-7
    assert (here.depth * scale - there.depth).abs().max() < 1e-6
    assert here.alpha.mean() > 0.05


@given(st.integers(0, 1000), st.sampled_from([1, 2, 3]))
@settings(max_examples=20, deadline=None)
def test_turned_harmonics_have_at_turned_directions_the_old_values(seed, degree):
    g = torch.Generator().manual_seed(seed)
    rotation = random_rotations(generator=g, dtype=torch.float64)
    coeffs = torch.randn(5, (degree + 1) ** 2, 3, generator=g, dtype=torch.float64)
    directions = torch.randn(5, 3, generator=g, dtype=torch.float64)
    turned = rotate_harmonics(coeffs, rotation)
    old = spherical_harmonics(degree, directions, coeffs)
    new = spherical_harmonics(degree, directions @ rotation.T, turned)
    assert (old - new).abs().max() < 1e-10
    for low in range(degree + 1):  # degrees do not mix, and no power is lost
        band = slice(low**2, (low + 1) ** 2)
        assert torch.allclose(turned[:, band].norm(dim=1), coeffs[:, band].norm(dim=1))


def test_back_and_forth_is_nothing():
    splats, matrix = scene(3), similarity(4, 0.7)
    again = transform_splats(transform_splats(splats, matrix), torch.linalg.inv(matrix))
    for name in ("means", "log_scales", "sh_coeffs", "wave_frequencies", "wave_weights", "logit_opacities"):
        assert torch.allclose(getattr(again, name), getattr(splats, name), atol=1e-9), name


def test_what_is_no_similarity_is_refused():
    splats = scene(5)
    for linear in (torch.diag(torch.tensor([1.0, 1, -1])), torch.diag(torch.tensor([1.0, 2, 1])), torch.zeros(3, 3)):
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = linear
        with pytest.raises(InvalidInput, match="turned, scaled alike"):
            transform_splats(splats, matrix)
    with pytest.raises(InvalidInput, match="matrix"):
        transform_splats(splats, torch.full((4, 4), math.nan))
    with pytest.raises(InvalidInput, match="1, 4, 9 or 16"):
        rotate_harmonics(torch.zeros(2, 5, 3), torch.eye(3))
