"""Rendering on a GPU: what the CPU renders, wherever the camera is; tensors on two devices are one sentence."""

import dataclasses

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry import frame_camera
from geokit.splatting import render
from geokit.splatting.render import project_splats
from tests.geometry.test_devices import SPLATS
from tests.reference.devices import assert_serves_both, on_the_gpu
from tests.reference.pretend_gpu import GPU, pretend_gpu

CAMERA = frame_camera(SPLATS.means, width=40, height=30)


def test_projection():
    assert_serves_both(project_splats, SPLATS, CAMERA)


@pytest.mark.parametrize("channels", [False, True])
def test_pictures(channels):
    splats = SPLATS.replace(wave_weights=SPLATS.wave_weights[..., None].repeat(1, 1, 1, 3)) if channels else SPLATS

    def pictures(splats, camera, background, mask):
        return [
            render(splats, camera, background=background, depth=True, antialiased=mask),
            render(splats, camera, antialiased=True, sh_degree=1),
        ]

    assert_serves_both(pictures, splats, CAMERA, torch.ones(3).double(), SPLATS.means[:, 0] > 0)


def test_the_camera_may_be_anywhere():
    pictures = [render(SPLATS, CAMERA).image]
    pytest.importorskip("geokit._emulated")
    import geokit._emulated as emulated

    with pretend_gpu(emulated):
        pictures.append(render(on_the_gpu(SPLATS), CAMERA).image)
        pictures.append(render(on_the_gpu(SPLATS), CAMERA, world_to_camera=CAMERA.world_to_camera[0]).image)
        assert all(p.is_cuda for p in pictures[1:])
        for picture in pictures[1:]:
            torch.testing.assert_close(picture.cpu(), pictures[0])


@pytest.mark.parametrize("name", ["background", "features", "screen_probe", "antialiased"])
def test_tensors_on_two_devices(name):
    wrong = {
        "background": torch.zeros(3).double(),
        "features": torch.zeros(9, 3).double(),
        "screen_probe": torch.zeros(9, 2).double(),
        "antialiased": torch.ones(9, dtype=torch.bool),
    }[name]
    with pretend_gpu():
        for splats, option in ((SPLATS, on_the_gpu(wrong)), (on_the_gpu(SPLATS), wrong)):
            with pytest.raises(InvalidInput, match=rf"got splats on .* and {name} on .*: move them with \.to"):
                render(splats, CAMERA, **{name: option})


def test_splats_are_on_one_device():
    with pretend_gpu():
        for field in dataclasses.fields(SPLATS):
            with pytest.raises(InvalidInput, match="one device"):
                SPLATS.replace(**{field.name: getattr(SPLATS, field.name).to(GPU)})
