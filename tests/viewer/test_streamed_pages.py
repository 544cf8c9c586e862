"""What the page shows of streamed splats, alone and among meshes."""

import time

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.layers.mesh import MeshLayer

from geokit.splatting import render
from tests.viewer.browser import picture, ssim, until
from tests.viewer.splat_scenes import blob, board, disc, streamed


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


@pytest.mark.parametrize("waves", [0, 2])
def test_the_browser_shows_the_streamed_picture(viewer, opened, waves):
    layer = streamed("blob", blob(waves=waves, degree=1, size=0.25))
    viewer.add(layer)
    with opened(viewer) as (_page, client):
        settled(viewer, client)
        seen = picture(client)
        wanted = render(layer.shape, viewer.camera_of(client, 640, 480), background=torch.ones(3)).image.clamp(0, 1)
    assert ssim(seen, wanted.numpy()) > 0.95
    assert np.abs(seen - wanted.numpy()).mean() < 0.02


@pytest.fixture
def upright():
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as made:
        yield made


def test_splats_and_meshes_hide_each_other(upright, opened):
    viewer = upright
    red, blue = (0.85, 0.1, 0.1), (0.1, 0.1, 0.85)
    board_layer = MeshLayer("board", board(0.0))
    board_layer.shading, board_layer.color = "unlit", blue
    disc_layer = streamed("disc", disc(-0.8, red, 0.25))
    viewer.add(disc_layer, board_layer)
    with opened(viewer) as (_page, client):
        settled(viewer, client)
        towards = float(viewer.camera_of(client).centers[0, 1])
        assert abs(towards) > 1  # the camera looks along y
        for place in (-0.8, 0.8, -0.8):
            viewer.edit({disc_layer: disc(place, red, 0.25)}, "moved the disc")
            settled(viewer, client)
            middle = picture(client)[200:280, 280:360].reshape(-1, 3).mean(0)
            assert (middle[0] > middle[2] + 0.2) == (place * towards > 0), (place, towards, middle)
            assert (middle[2] > middle[0] + 0.2) == (place * towards < 0), (place, towards, middle)


def settled(viewer: Viewer, client) -> None:
    """Wait until the page has taken a picture of the whole canvas, for what is shown now."""
    loop = viewer.parts["RenderLoop"]

    def there() -> bool:
        if client.client_id not in loop._clients:  # it came this moment
            return False
        stream = loop._clients[client.client_id][1]
        return (
            not loop._stale
            and stream.drawn == (stream.camera, loop.scene.changes)
            and stream.drawn_full
            and not stream.wire.on_the_way
        )

    until(there, "the page was not drawn for")
    time.sleep(0.5)
    until(there, "the page was not drawn for")
