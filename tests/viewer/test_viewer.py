"""Layers come, go, are edited and picked; the page shows what geokit renders."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer, show
from geokit.viewer.layers.mesh import MeshLayer

from geokit.errors import InvalidInput
from geokit.geometry import Mesh, PointCloud
from geokit.geometry.render_mesh import render_mesh
from tests.viewer.browser import picture, ssim, started, until


def sphere(center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    import trimesh

    made = trimesh.creation.icosphere(3)
    return Mesh(torch.tensor(made.vertices) + torch.tensor(center), torch.tensor(made.faces.astype(np.int64)))


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


def test_layers_have_names_of_their_own_and_can_be_removed(viewer):
    viewer.add(MeshLayer("ball", sphere()), MeshLayer("ball", sphere((3.0, 0, 0))))
    assert list(viewer.layers) == ["ball", "ball_2"]
    viewer.remove("ball")
    assert list(viewer.layers) == ["ball_2"]
    with pytest.raises(InvalidInput, match="no layer 'ball'"):
        viewer.remove("ball")


def test_edits_are_undone_in_order(viewer):
    layer = MeshLayer("ball", sphere())
    viewer.add(layer)
    whole = layer.shape
    top = layer.elements()[:, 2] > 0
    viewer.edit({layer: layer.kept(top)}, "kept the top")
    viewer.edit({layer: layer.kept(layer.elements()[:, 0] > 0)}, "kept a quarter")
    assert len(layer.shape) < int(top.sum()) < len(whole)
    assert viewer.undo() == "kept a quarter"
    assert len(layer.shape) == int(top.sum())
    assert viewer.undo() == "kept the top"
    assert layer.shape is whole
    assert viewer.undo() is None


def test_a_ray_finds_the_face_that_is_nearest(viewer):
    near, far = MeshLayer("near", sphere((0, 0, 4.0))), MeshLayer("far", sphere())
    viewer.add(near, far)
    hit = near.pick(np.array([0.0, 0.0, 10.0]), np.array([0.0, 0.0, -1.0]))
    assert hit is not None
    assert hit.distance == pytest.approx(5, abs=1e-2)
    assert far.pick(np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.0, -1.0])) is None


def test_what_cannot_be_shown_is_refused_before_anything_is_served():
    with pytest.raises(InvalidInput, match="a complex cannot be shown"):
        show(1j, port=0)


def test_points_far_from_the_origin_keep_their_distances(viewer):
    places = torch.rand(100, 3, dtype=torch.float64) + torch.tensor([600_000.0, 5_000_000.0, 100.0])
    (layer,) = viewer_layers(PointCloud(places))
    viewer.add(layer)
    shown = viewer.frame.to_world(layer._nodes[0].points)
    assert np.abs(shown - places.numpy()).max() < 1e-5


def viewer_layers(thing):
    from geokit.viewer.content import layers_of

    return layers_of(thing)


def test_the_browser_shows_the_mesh_that_geokit_renders(viewer, opened):
    viewer.add(MeshLayer("ball", sphere()))
    with opened(viewer) as (_page, client):
        seen = picture(client)
        camera = viewer.camera_of(client, 640, 480)
    wanted = render_mesh(viewer.layers["ball"].shape, camera)
    covered = (np.abs(seen - 1).max(-1) > 0.05).mean()
    assert covered == pytest.approx(float(wanted.alpha.mean()), abs=0.01)
    assert ssim(seen, wanted.image.float().numpy()) > 0.9


def test_showing_and_hiding_moves_the_switch_in_the_panel(viewer):
    layer = MeshLayer("ball", sphere())
    viewer.add(layer)
    viewer.show(layer, False)
    assert not layer.visible
    assert not viewer.folders.switched("ball")
    viewer.show(layer)
    assert layer.visible
    assert viewer.folders.switched("ball")


def test_a_scene_that_cannot_be_drawn_leaves_the_viewer_as_it_was(viewer):
    far = PointCloud(torch.tensor([[0.0, 0.0, 0.0], [1e30, 0.0, 0.0]], dtype=torch.float64))
    with pytest.raises(InvalidInput, match=r"the scene reaches from \(0, 0, 0\) to \(1e\+30, 0, 0\), farther than"):
        viewer.add(*viewer_layers(far))
    assert not viewer.layers
    assert viewer.frame is None
    assert viewer.up is None
    viewer.add(MeshLayer("ball", sphere()))
    with pytest.raises(InvalidInput, match="points reaches"):
        viewer.add(MeshLayer("second", sphere()), *viewer_layers(far))
    assert list(viewer.layers) == ["ball"]
    assert not [name for name in viewer.server.scene._handle_from_node_name if name.startswith("/second")]
    with pytest.raises(KeyError):
        viewer.folders["second"]


@pytest.mark.parametrize("name", ["lights", ".lights", "..", "a/b", ".crop"])
def test_no_name_of_a_layer_is_one_of_the_viewers_own(viewer, name):
    viewer.add(MeshLayer("ball", sphere()))
    own = set(viewer.server.scene._handle_from_node_name)
    viewer.add(MeshLayer(name, sphere()))
    (_, shown) = viewer.layers
    assert shown[0] != "."
    assert "/" not in shown
    viewer.remove(shown)
    assert set(viewer.server.scene._handle_from_node_name) == own


def test_edits_of_a_layer_that_is_gone_are_no_longer_offered(viewer):
    ball, other = MeshLayer("ball", sphere()), MeshLayer("other", sphere())
    viewer.add(ball, other)
    whole = other.shape
    viewer.edit({other: other.kept(other.elements()[:, 2] > 0)}, "kept the top of the other")
    viewer.edit({ball: ball.kept(ball.elements()[:, 2] > 0)}, "kept the top of the ball")
    viewer.remove("ball")
    assert viewer.history.last == "kept the top of the other"
    viewer.undo()
    assert other.shape is whole


def test_a_locked_layer_is_not_changed(viewer):
    ball = MeshLayer("ball", sphere())
    viewer.add(ball)
    whole, ball.locked = ball.shape, "it is in training"
    with pytest.raises(InvalidInput, match="ball cannot be changed now: it is in training"):
        viewer.edit({ball: ball.kept(ball.elements()[:, 2] > 0)}, "kept the top")
    assert ball.shape is whole
    assert viewer.history.last is None


def test_names_and_sentences_in_the_panel_are_no_html():
    from html import unescape

    from geokit.viewer.words import plain

    hostile = '<img src=x onerror="alert(1)"> [a](b) **c** `d` {e} #f ~g~ | h & i_j'
    made = plain(hostile)
    assert unescape(made) == hostile
    assert not set(made.replace("&#", "").replace(";", "")) & set("<>[](){}*_`#~|\"'\\!")


def test_the_page_shows_a_hostile_name_letter_by_letter(viewer, opened):
    from geokit.viewer.words import plain

    hostile = '<img src=x onerror="document.title=1"> **not bold** [a](b)'
    viewer.add(MeshLayer("ball", sphere()))
    with viewer.tab("Scene"):
        viewer.server.gui.add_markdown(plain(hostile))
    with opened(viewer) as (page, _):
        page.get_by_text(hostile, exact=True).wait_for()
        assert page.locator("img[src=x]").count() == 0


def test_who_came_before_the_shapes_sees_them_all_the_same(browser):
    from geokit.viewer.server import page_address, start_server
    from geokit.viewer.show import fill

    server = start_server(port=0)
    page = browser.new_page(viewport={"width": 640, "height": 480})
    page.goto(page_address(server.get_host(), server.get_port()))
    until(server.get_clients, "no client came")
    with fill(server, [MeshLayer("ball", sphere((50.0, 0, 0)))]) as viewer:
        (client,) = server.get_clients().values()
        first = np.asarray(server.initial_camera.position)
        until(lambda: np.allclose(client.camera.position, first, atol=1e-3), "the camera does not come to the shape")
        shown = next(iter(viewer.layers.values())).shape
        wanted = render_mesh(shown, viewer.camera_of(client, 640, 480)).image.numpy()
        until(lambda: ssim(picture(client), wanted) > 0.97, "the ball is not shown", 30)
    page.close()


def test_a_page_that_is_open_is_told_why_nothing_comes(browser, tmp_path):
    damaged = tmp_path / "damaged.ply"
    damaged.write_bytes(b"ply\nformat ascii 1.0\nelement vertex 9\n")
    script = (
        "import sys, time, geokit.viewer.content as content\n"
        "read = content.layers_of\n"
        "def slowly(path): input(); return read(path)\n"
        "content.layers_of = slowly\n"
        "from geokit.cli.main import main\n"
        "sys.exit(main(['view', sys.argv[1], '--port', '0', '--no-open']))"
    )
    process = started([sys.executable, "-c", script, str(damaged)], stdin=subprocess.PIPE)
    page = browser.new_page(viewport={"width": 640, "height": 480})
    page.goto(process.stdout.readline().split("viewer is at ")[1].split(";")[0])
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(2000)
    _, err = process.communicate("\n", timeout=60)
    assert process.returncode == 2
    assert "damaged.ply" in err
    page.get_by_text("damaged.ply").first.wait_for()
    page.close()


def test_a_show_that_fails_leaves_no_server():
    from geokit.viewer.server import free_port

    _, port = free_port("127.0.0.1", None)
    far = Mesh(sphere().vertices * 1e30, sphere().faces)
    with pytest.raises(InvalidInput, match="farther than can be drawn"):
        show(far, port=port)
    assert free_port("127.0.0.1", port) == ("127.0.0.1", port)


def test_layers_of_which_one_cannot_be_drawn_all_stay_as_they_were(viewer, monkeypatch):
    first, second = MeshLayer("first", sphere()), MeshLayer("second", sphere())
    viewer.add(first, second)
    before = first.shape, second.shape
    whole = second.replace

    def fail(shape: Mesh) -> None:
        if shape is not before[1]:
            raise MemoryError
        whole(shape)

    monkeypatch.setattr(second, "replace", fail)
    with pytest.raises(MemoryError):
        viewer.edit({first: first.kept(first.elements()[:, 2] > 0), second: sphere((1.0, 0, 0))}, "both")
    assert (first.shape, second.shape) == before
    assert len(viewer.history) == 0
