"""Splats rendered on the server reach every client: the right picture, of the newest camera, never too many."""

import threading
import time
import warnings

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer, client_stream
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.splats import SplatsLayer

from geokit.errors import InvalidInput
from geokit.splatting import render
from tests.viewer.browser import ssim, until
from tests.viewer.splat_scenes import blob, board, disc, streamed
from tests.viewer.wire_client import WireClient

EYES = [(4 * float(np.sin(a)), -4 * float(np.cos(a)), 1.0) for a in np.linspace(0.3, 2.5, 40)]


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


def rendered(viewer, layer, client) -> np.ndarray:
    seen = render(layer.shape, client.camera(viewer), background=torch.ones(3))
    return seen.image.clamp(0, 1).numpy()


@pytest.mark.parametrize("waves", [0, 2])
def test_the_picture_is_that_of_geokit_render(viewer, waves):
    layer = streamed("blob", blob(waves=waves, degree=2))
    viewer.add(layer)
    with WireClient(viewer.url, (160, 120)) as client:
        seen = client.rested()
        assert ssim(seen, rendered(viewer, layer, client)) > 0.95
        assert np.abs(seen - rendered(viewer, layer, client)).mean() < 0.02
        count = len(client.pictures)
        client.look((3.0, 3.0, 1.0))
        assert ssim(client.rested(count), rendered(viewer, layer, client)) > 0.95
        assert not client.notes


def test_small_while_it_moves_and_whole_when_it_rests(viewer, monkeypatch):
    monkeypatch.setattr(client_stream, "BUDGET", 1e-4)  # no machine is so fast
    viewer.add(streamed("blob", blob()))
    with WireClient(viewer.url, (160, 120)) as client:
        client.rested()
        count = len(client.pictures)
        for eye in EYES:
            client.look(eye)
            time.sleep(0.02)
        client.rested(count)
        sizes = client.sizes()[count:]
    assert sizes[-1] == (160, 120)
    assert sizes.count((160, 120)) == 1
    assert set(sizes[:-1]) == {(56, 42)}
    assert len(sizes) < len(EYES) + 2


def test_a_client_that_takes_nothing_gets_no_queue_and_then_the_newest(viewer):
    layer = streamed("blob", blob())
    viewer.add(layer)
    with WireClient(viewer.url, (160, 120), polite=False) as client:
        until(lambda: client.pictures, "no picture came")
        for eye in EYES:
            client.look(eye)
            time.sleep(0.01)
        until(lambda: len(client.pictures) == 2, "no second picture came")
        client.look(EYES[0])
        time.sleep(0.5)
        assert len(client.pictures) == client_stream.MOST_ON_THE_WAY
        client.polite = True
        client.answer()
        seen = client.rested(2)
        assert ssim(seen, rendered(viewer, layer, client)) > 0.95
        assert len(client.pictures) <= 4


def test_pictures_of_a_moving_camera_are_never_old(viewer):
    """Drawn while the camera goes on: each is of a camera later than that of the one before."""
    layer = streamed("blob", blob())
    viewer.add(layer)
    loop, drawn = viewer.parts["RenderLoop"], []
    draw = loop._draw

    def noted(client, stream, step, number):
        drawn.append((stream.camera, number))
        draw(client, stream, step, number)
        time.sleep(0.03)

    loop._draw = noted
    with WireClient(viewer.url, (160, 120)) as client:
        for eye in EYES:
            client.look(eye)
            time.sleep(0.01)
        assert ssim(client.rested(), rendered(viewer, layer, client)) > 0.95
    assert all(newest == number for newest, number in drawn)
    assert len({number for _, number in drawn}) < len(EYES)  # some were left out


def test_nothing_is_drawn_where_nothing_changes(viewer):
    viewer.add(streamed("blob", blob()))
    with WireClient(viewer.url) as client:
        client.rested()
        count = len(client.pictures)
        viewer.changed()
        time.sleep(0.4)
        assert len(client.pictures) == count


def test_the_picture_goes_when_nothing_is_streamed_and_comes_back(viewer):
    layer = streamed("blob", blob())
    viewer.add(layer)
    with WireClient(viewer.url) as client:
        client.rested()
        viewer.show(layer, False)
        until(lambda: client.pictures[-1] == (None, None), "the picture stayed")
        count = len(client.pictures)
        viewer.show(layer)
        client.rested(count)
        viewer.edit({layer: layer.kept(layer.elements()[:, 0] > 0)}, "kept the right")
        assert ssim(client.rested(len(client.pictures)), rendered(viewer, layer, client)) > 0.95
        viewer.remove("blob")
        until(lambda: client.pictures[-1] == (None, None), "the picture stayed")


def test_splats_that_the_browser_draws_are_not_streamed(viewer):
    layer = SplatsLayer("blob", blob())
    viewer.add(layer)
    loop = viewer.parts["RenderLoop"]
    with WireClient(viewer.url) as client:
        time.sleep(0.5)
        assert not client.pictures
        assert not loop._menu.visible
        layer.rendered_by = "geokit"
        layer.redraw()
        viewer.changed()
        client.rested()
        assert loop._menu.visible


def test_depth_goes_along_where_something_else_is_seen(viewer):
    layer, mesh = streamed("disc", disc(0.0, (0.9, 0.2, 0.1), 0.1)), MeshLayer("board", board(-1.0))
    viewer.add(layer)
    with WireClient(viewer.url) as client:
        client.rested()
        assert all(depth is None for _, depth in client.pictures)
        count = len(client.pictures)
        viewer.add(mesh)
        client.rested(count)
        assert client.pictures[-1][1] is not None
        found, camera = depth_of(client.pictures[-1][1]), client.camera(viewer)
        wanted = render(layer.shape, camera, depth=True).median_depth.numpy() * viewer.frame.scale
        covered = wanted > 0
        assert 0.02 < covered.mean() < 0.9
        assert np.abs(found - wanted)[covered].max() < 1e-3
        assert (found[~covered] > 160).all()
        count = len(client.pictures)
        viewer.show(mesh, False)
        client.rested(count)
        assert client.pictures[-1][1] is None


def depth_of(png: bytes) -> np.ndarray:
    """As the page's shader reads it."""
    import io

    from PIL import Image

    red, green, blue = np.moveaxis(np.asarray(Image.open(io.BytesIO(png))).astype(float) / 255, 2, 0)
    return blue * 0.00255 + green * 0.6528 + red * 167.1168


def test_what_is_shown_can_be_chosen_and_numbers_have_a_legend(viewer):
    layer = streamed("blob", blob())
    viewer.add(layer)
    loop = viewer.parts["RenderLoop"]
    with WireClient(viewer.url, (160, 120)) as client:
        seen = {"Colours": client.rested()}
        assert layer.legend() is None
        for mode, title in (
            ("Depth", "Depth"),
            ("Normals", None),
            ("Splat count", "Splats at a pixel"),
            ("Alpha", "Al"),
        ):
            count = len(client.pictures)
            loop._menu.value = mode  # as the page does
            seen[mode] = client.rested(count)
            legend = layer.legend()
            assert (legend is None) if title is None else legend.title.startswith(title)
            assert all(np.abs(seen[mode] - other).mean() > 0.01 for m, other in seen.items() if m != mode)
        count = len(client.pictures)
        loop.show("Depth")
        client.rested(count)
        near = layer.legend()
        client.look((0.0, -9.0, 1.0))  # further away: when it rests, the range is another one
        until(lambda: layer.legend().low > near.high, "the range stayed")
        loop.show("Colours")
        until(lambda: layer.legend() is None, "the legend stayed")


def test_callbacks_of_others_may_compute_with_gradients(viewer):
    """A legend that changes is told on the loop's own thread."""
    made = []
    viewer.on_change(lambda: made.append(torch.zeros(1).is_inference()))
    viewer.add(streamed("blob", blob()))
    viewer.parts["RenderLoop"].show("Depth")
    with WireClient(viewer.url) as client:
        client.rested()
        until(lambda: viewer.layers["blob"].legend() is not None, "no legend came")
    assert made
    assert not any(made)


def test_two_clients_share_one_legend_and_come_to_rest(viewer):
    layer = streamed("blob", blob())
    viewer.add(layer)
    loop = viewer.parts["RenderLoop"]
    loop.show("Depth")
    with WireClient(viewer.url) as near, WireClient(viewer.url, eye=(0.0, -9.0, 1.0)) as far:
        near.rested(), far.rested()
        time.sleep(1.0)
        frames = loop.frames
        time.sleep(0.7)
        assert loop.frames == frames


def test_what_goes_wrong_is_said_once_and_the_loop_lives_on(viewer, monkeypatch):
    layer = streamed("blob", blob())
    viewer.add(layer)
    with WireClient(viewer.url) as client:
        client.rested()

        def fails(*_):
            raise InvalidInput("the splats touch too many tiles")

        with monkeypatch.context() as broken:
            broken.setattr("geokit.viewer.streamed_scene.colors_of", fails)
            count = len(client.pictures)
            for eye in EYES[:5]:
                client.look(eye)
                time.sleep(0.1)
            until(lambda: client.notes, "nothing was said")
            time.sleep(0.5)
            assert client.notes == ["the splats touch too many tiles"]
            assert len(client.pictures) == count
        client.look(EYES[6])
        assert ssim(client.rested(count), rendered(viewer, layer, client)) > 0.95


def test_a_client_that_leaves_in_the_middle_is_forgotten(viewer):
    layer = streamed("blob", blob())
    viewer.add(layer)
    loop = viewer.parts["RenderLoop"]
    threads = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with WireClient(viewer.url, (160, 120)) as stays:
            for leave in ("close", "vanish", "close"):
                leaves = WireClient(viewer.url, (160, 120), polite=leave == "close")
                for eye in EYES[:10]:
                    leaves.look(eye)
                    time.sleep(0.01)
                getattr(leaves, leave)()
            until(lambda: len(loop._clients) == 1, "who left was not forgotten")
            count = len(stays.pictures)
            stays.look(EYES[3])
            assert ssim(stays.rested(count), rendered(viewer, layer, stays)) > 0.95
        until(lambda: not loop._clients, "who left was not forgotten")
    assert threading.active_count() <= threads + 32  # viser's own pool; none of ours


def test_ten_clients_at_once_each_see_their_own_view(viewer):
    layer = streamed("blob", blob())
    viewer.add(layer)
    clients = [WireClient(viewer.url, (80 + 4 * i, 60), eye=EYES[3 * i]) for i in range(10)]
    try:
        for client in clients:
            client.look(EYES[(client.size[0] - 80) // 4 * 3 + 2])
        for client in clients:
            assert ssim(client.rested(), rendered(viewer, layer, client)) > 0.95
    finally:
        for client in clients:
            client.close()
    until(lambda: not viewer.parts["RenderLoop"]._clients, "who left was not forgotten")


def test_the_loop_ends_with_the_viewer():
    with Viewer(port=0) as viewer:
        viewer.add(streamed("blob", blob()))
        thread = viewer.parts["RenderLoop"]._thread
        assert thread.is_alive()
    assert not thread.is_alive()
