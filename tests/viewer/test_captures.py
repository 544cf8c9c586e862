"""Captures and runs: cameras with their photographs, one compared with the other, whatever is missing."""

import html
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.content import layers_of
from geokit.viewer.layers.cameras import CamerasLayer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.splats import SplatsLayer

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Cameras, look_at
from geokit.io import load_capture, save_checkpoint
from geokit.io.meshes import save_mesh
from geokit.pipelines.evaluate import render_picture
from geokit.pipelines.reconstruct import reconstruct
from geokit.pipelines.run_folder import RunFolder
from geokit.splatting import TrainConfig, psnr
from tests.pipelines.synthetic import QUICK, write_capture
from tests.viewer.browser import picture, ssim, until
from tests.viewer.test_viewer import sphere

STILL_LIFE = Path(__file__).parents[2] / "scenes/still_life"


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Path:
    return write_capture(tmp_path_factory.mktemp("capture") / "ring")


@pytest.fixture(scope="module")
def finished(capture, tmp_path_factory) -> Path:
    """A finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("run") / "out"
    reconstruct(capture, folder, background=(1.0, 0.5, 0.0), antialiased=True, **QUICK)
    return folder


@pytest.fixture
def run(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def cameras_of(layers) -> CamerasLayer:
    (found,) = [layer for layer in layers if isinstance(layer, CamerasLayer)]
    return found


def wait_for_photographs(layer: CamerasLayer) -> None:
    """As when a browser came."""
    layer.thumbnails.wanted.set()
    layer.thumbnails.wait()


# What opens.


def test_the_bundled_capture_shows_its_points_and_all_its_photographs(viewer):
    layers = layers_of(STILL_LIFE)
    assert [layer.name for layer in layers] == ["still_life points", "still_life cameras"]
    cameras = cameras_of(layers)
    viewer.add(*layers)
    assert all(node.image is None for node in cameras._nodes)
    wait_for_photographs(cameras)
    source = load_capture(STILL_LIFE)
    assert len(cameras.thumbnails) == len(source) == len(cameras._nodes)
    for i in (0, len(source) - 1):
        small = cameras._nodes[i].image
        assert max(small.shape[:2]) == 256
        assert np.abs(small.mean((0, 1)) / 255 - source.photograph(i).mean((0, 1)).numpy()).max() < 0.01
    held_out = [node.color for i, node in enumerate(cameras._nodes) if i in cameras.test]
    assert len(held_out) == len(source.test)
    assert set(held_out).isdisjoint(node.color for i, node in enumerate(cameras._nodes) if i not in cameras.test)
    assert viewer.up == pytest.approx([0, 0, 1], abs=0.05)  # as the cameras were held
    assert layers[0].size < 0.1  # the far background does not make the points huge


def test_a_damaged_photograph_leaves_its_frustum_and_one_sentence(viewer, capture, tmp_path):
    broken = Path(shutil.copytree(capture, tmp_path / "broken"))
    whole = (broken / "images/03.png").read_bytes()
    (broken / "images/03.png").write_bytes(whole[:200])
    cameras = cameras_of(layers_of(broken))
    viewer.add(cameras)
    wait_for_photographs(cameras)
    shown = [node.image is not None for node in cameras._nodes]
    assert shown == [i != 3 for i in range(10)]
    texts = [str(getattr(handle, "content", "")) for handle in viewer.folders["broken cameras"]._children.values()]
    assert any("03.png is damaged or truncated" in html.unescape(text) for text in texts)


def test_a_run_shows_the_splats_as_they_were_trained_with_its_meshes_and_cameras(finished, run):
    save_mesh(run / "surface.obj", sphere())
    (run / "bad.stl").write_bytes(b"solid nothing\nfacet")
    with pytest.warns(UserWarning, match=r"bad\.stl"):
        layers = layers_of(run)
    assert [type(layer) for layer in layers] == [SplatsLayer, MeshLayer, CamerasLayer]
    splats, mesh, cameras = layers
    assert splats.antialiased
    assert splats.background == (1.0, 0.5, 0.0)
    assert mesh.name == "surface"
    assert cameras.test == {0, 8}


def test_without_its_capture_a_run_still_opens(run):
    config = RunFolder(run).config
    config.write_text(config.read_text().replace("ring", "gone"))
    with pytest.warns(UserWarning, match="the photographs of .*out are not shown: .*gone is gone"):
        layers = layers_of(run)
    assert [type(layer) for layer in layers] == [SplatsLayer]


def test_a_run_that_was_killed_opens_by_its_checkpoint(run):
    folder = RunFolder(run)
    finished = layers_of(run)[0].shape
    folder.splats.unlink()
    splats = layers_of(run)[0]
    assert torch.allclose(splats.shape.means, finished.means)
    assert splats.antialiased
    folder.checkpoint.unlink()
    with pytest.raises(UnreadableFile, match=r"holds no splats\.ply"):
        layers_of(run)


def test_checkpoints_open_if_they_hold_splats(run, tmp_path):
    checkpoint = RunFolder(run).checkpoint
    (layer,) = layers_of(checkpoint)
    assert isinstance(layer, SplatsLayer)
    other = tmp_path / "network.safetensors"
    save_checkpoint(other, {"weight": torch.zeros(3)}, {"epoch": 1})
    with pytest.raises(UnreadableFile, match="holds no splats of geokit reconstruct"):
        layers_of(other)
    other.write_bytes(b"\0" * 100)
    with pytest.raises(UnreadableFile, match="not a readable checkpoint"):
        layers_of(other)


def test_photographs_without_poses_say_what_to_do(tmp_path, capture, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain = Path(shutil.copytree(capture / "images", tmp_path / "photos"))
    with pytest.raises(InvalidInput, match=r"without poses; find them first with: geokit reconstruct .*photos"):
        layers_of(plain)


def test_a_folder_of_nothing_is_one_sentence(tmp_path):
    with pytest.raises(UnreadableFile, match="holds no capture"):
        layers_of(tmp_path)


def test_an_opened_capture_can_be_shown_and_forgets_its_pixels(capture):
    opened = load_capture(capture)
    small = opened.at_most(24)
    assert max(small.cameras.sizes[0]) == 24
    assert small.photograph(0).shape == (18, 24, 3)
    small.forget()
    assert not small._pixels
    assert isinstance(cameras_of(layers_of(opened, "mine")), CamerasLayer)


# What is clicked.


def test_a_click_meets_the_picture_of_the_camera_it_is_aimed_at(viewer, capture):
    cameras = cameras_of(layers_of(capture))
    viewer.add(cameras)
    for i in (0, 4):
        middle = cameras.corners()[i].mean(0)
        outside = middle + 3 * (middle - cameras.corners()[i, 0])
        away = cameras.shape.centers[i].numpy() - cameras.shape.forwards[i].numpy()
        hit = cameras.pick(away, (middle - away) / np.linalg.norm(middle - away))
        assert hit is not None
        assert hit.element == i
        assert hit.values["camera"] == f"images/{i:02d}.png"
        missed = cameras.pick(away, (outside - away) / np.linalg.norm(outside - away))
        assert missed is None or missed.element != i
    assert len(cameras.drawables()[0].ends) == 80


def test_size_and_photographs_follow_their_controls(viewer, capture):
    cameras = cameras_of(layers_of(capture))
    viewer.add(cameras)
    wait_for_photographs(cameras)
    scale, reach = cameras._nodes[0].scale, np.ptp(cameras.corners(), axis=1).max()
    cameras.resize(2 * cameras.size)
    assert cameras._nodes[0].scale == pytest.approx(2 * scale)
    assert np.ptp(cameras.corners(), axis=1).max() == pytest.approx(2 * reach)
    cameras.show_photographs(False)
    assert all(node.image is None for node in cameras._nodes)
    cameras.show_photographs(True)
    assert all(node.image is not None for node in cameras._nodes)


# Going from camera to camera.


class Client:
    """What the tour asks of a client."""

    def __init__(self) -> None:
        self.camera = SimpleNamespace(aspect=4 / 3)
        self.told: list[str] = []

    def atomic(self):
        return nullcontext()

    def add_notification(self, title: str, text: str, **_: object) -> None:
        self.told.append(text)


@pytest.fixture
def tour(viewer, finished):
    viewer.add(*layers_of(finished))
    return viewer.parts["CameraTour"]


def event(client: Client) -> SimpleNamespace:
    return SimpleNamespace(client=client)


def test_next_and_previous_go_around_and_the_view_moves(viewer, tour):
    client, cameras = Client(), cameras_of(viewer.layers.values())
    tour.steps._impl.value = "next"
    for i in range(2):
        tour._step(event(client))
        assert tour.dropdown.value == f"images/{i:02d}.png"
        at = viewer.frame.to_world(client.camera.position)
        assert at == pytest.approx(cameras.shape.centers[i].numpy(), abs=1e-5)
        assert [node.visible for node in cameras._nodes] == [k != i for k in range(10)]
    tour.steps._impl.value = "previous"
    for _ in range(2):
        tour._step(event(client))
    assert tour.dropdown.value == "images/09.png"
    assert client.camera.fov == pytest.approx(2 * np.arctan(18 / 50), rel=1e-4)
    client.camera.aspect = 0.5  # a narrow page sees all of the photograph too
    tour._step(event(client))
    assert np.tan(client.camera.fov / 2) * 0.5 == pytest.approx(24 / 50, rel=0.02)


def test_a_frustum_comes_back_when_the_view_leaves_it(viewer, tour):
    cameras = cameras_of(viewer.layers.values())
    tour.go_to(cameras, 2, None)
    center = cameras.shape.centers[2].numpy()
    for away, hidden in ((0.1, True), (0.6, False), (0.0, True)):
        position = viewer.frame.to_view(center + np.array([0, 0, away * cameras.size]))
        tour._moved(SimpleNamespace(position=position))
        assert [node.visible for node in cameras._nodes] == [k != 2 or not hidden for k in range(10)]


def test_the_comparison_is_the_photograph_the_render_and_their_difference(tour, finished, capture):
    cameras = cameras_of(tour.viewer.layers.values())
    tour.compare.value = True
    tour.go_to(cameras, 3, None)
    assert tour.work.wait(60)
    splats = next(layer for layer in tour.viewer.layers.values() if isinstance(layer, SplatsLayer))
    source = load_capture(capture)
    expected = render_picture(
        splats.shape, source.cameras[3], TrainConfig(antialiased=True, background=(1.0, 0.5, 0.0))
    )
    shown = tour.comparison
    assert torch.allclose(shown.rendering, expected, atol=1e-5)
    assert (shown.photograph - source.photograph(3)).abs().max() < 1 / 255
    assert shown.score.psnr == pytest.approx(psnr(expected, source.photograph(3)), abs=0.01)
    assert f"PSNR {shown.score.psnr:.2f} dB" in tour.score.content
    left, right = (shown.picture("wipe", part) for part in (1.0, 0.0))
    assert np.abs(left[:, :-2] / 255 - shown.photograph[:, :-2].numpy()).max() < 0.01
    assert np.abs(right[:, 2:] / 255 - shown.rendering[:, 2:].numpy()).max() < 0.01
    assert shown.picture("side by side").shape == (36, 3 * 48 + 8, 3)
    tour.kind.value = "difference"
    tour._draw()
    assert (tour.image.image == shown.picture("difference")).all()
    assert not tour.wipe.visible


def test_turned_splats_are_compared_from_the_turned_cameras(tour, viewer):
    cameras = cameras_of(viewer.layers.values())
    tour.compare.value = True
    tour.go_to(cameras, 3, None)
    assert tour.work.wait(60)
    before = tour.comparison
    viewer.parts["UpAxisTool"].axes.value = "-x"
    viewer.parts["UpAxisTool"].turn.value = "+y up"
    tour.go_to(cameras, 3, None)
    assert tour.work.wait(60)
    assert tour.comparison is not before
    assert (tour.comparison.rendering - before.rendering).abs().max() < 1e-3
    assert tour.comparison.score.psnr == pytest.approx(before.score.psnr, abs=0.01)


def test_cameras_of_the_same_name_can_be_told_apart_and_all_be_chosen(viewer):
    poses = look_at(torch.eye(4, 3) + 1, torch.zeros(3), torch.tensor([0.0, 0.3, 1.0]))
    twins = CamerasLayer("a", Cameras(poses, torch.eye(3).repeat(4, 1, 1), ((2, 2),) * 4, ("x", "none", "x", "x (2)")))
    viewer.add(twins)
    tour = viewer.parts["CameraTour"]
    assert tuple(tour.dropdown.options) == ("none", "x", "none (2)", "x (2)", "x (2) (2)")
    client = Client()
    for i, name in enumerate(tour.dropdown.options[1:]):
        tour.dropdown._impl.value = name
        tour._choose(event(client))
        assert tour.chosen == (twins, i)
        tour.go_to(twins, i, client)
        assert tour.dropdown.value == name
    viewer.add(CamerasLayer("b", twins.shape))
    assert len(set(tour.dropdown.options)) == 9


def test_what_cannot_be_compared_is_one_sentence_and_unchecks(viewer, capture, tour):
    client = Client()
    for layer in viewer.layers.values():
        if isinstance(layer, SplatsLayer):
            viewer.show(layer, False)
    tour.compare._impl.value = True
    viewer.safely(lambda: tour._ask_to_compare(event(client)), client)
    assert client.told == ["no splats are shown that could be compared with the photographs; make some visible"]
    assert not tour.compare.value
    assert not tour.image.visible


def test_cameras_that_go_leave_the_list(viewer, tour):
    tour.go_to(cameras_of(viewer.layers.values()), 2, None)
    viewer.remove(cameras_of(viewer.layers.values()).name)
    assert tour.chosen is None
    assert tuple(tour.dropdown.options) == ("none",)
    assert not tour.folder.visible


# In a browser.


def test_the_browser_shows_a_photograph_where_its_camera_is(viewer, opened):
    layers = layers_of(STILL_LIFE)
    cameras = cameras_of(layers)
    viewer.add(cameras)
    with opened(viewer, 400, 300) as (page, client):
        until(lambda: len(cameras.thumbnails) == len(cameras.shape), "the photographs did not come")
        cameras.resize(5 * cameras.size)
        for other in range(1, len(cameras.shape)):
            cameras._nodes[other].visible = False
        viewer.look(client, cameras.shape[0])
        source = load_capture(STILL_LIFE).photograph(0).numpy()
        until(lambda: ssim(picture(client, 400, 300, 1), source) > 0.75, "the photograph is not where its camera is")
        page.get_by_role("tab", name="Camera").click()
        page.get_by_role("button", name="next").click()
        until(lambda: cameras._aside == 0, "next did not go to the first camera")
        until(lambda: picture(client, 400, 300, 1).min() > 0.9, "the frustum that one looks through hides the view")
