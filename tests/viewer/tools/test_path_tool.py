"""Flights: their views, their file, their video."""

import stat
import sys
import threading
import time

import numpy as np
import pytest
import torch
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.render_scene import render_layers
from geokit.viewer.tools import video as video_module
from geokit.viewer.tools.video import FOLDER, check_video, write_video
from PIL import Image

from geokit.errors import GeokitError, InvalidInput, MissingDependency
from geokit.geometry import frame_camera
from geokit.pipelines.camera_files import named_cameras, save_cameras
from tests.viewer.browser import until
from tests.viewer.tools.scenes import ball, client_of, event


def views(count: int):
    directions = [(1.0, 0.2, 0.3), (0.2, 1.0, 0.3), (-1.0, 0.3, 0.6), (-0.5, -1.0, 0.2)][:count]
    return [frame_camera(ball().vertices, d, (0.0, 0.0, 1.0), 64, 48) for d in directions]


@pytest.fixture
def tool(viewer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    viewer.add(MeshLayer("ball", ball(level=1)))
    tool = viewer.parts["CameraPathTool"]
    tool.video.width.value, tool.video.height.value = 32, 24
    tool.video.file.value = str(tmp_path / "video.gif")
    tool.file.value = str(tmp_path / "path.json")
    return tool


def test_views_are_added_moved_and_removed(viewer, tool):
    assert tool.preview.disabled
    for view in views(3):
        tool._viewer.safely(lambda view=view: tool.append(viewer.camera_of(client_of(viewer, view))))
    assert [str(i) for i in (1, 2, 3)] == list(tool.choice.options)
    assert not tool.preview.disabled
    first, second, third = tool.path.views
    tool.choice.value = "3"
    tool.actions.value = "↑"
    assert tool.path.views == [first, third, second]
    assert tool.choice.value == "2"
    tool.actions.value = "↓"
    assert tool.path.views == [first, second, third]
    tool.choice.value = "1"
    tool.actions.value = "Remove"
    assert tool.path.views == [second, third]
    assert viewer.server.scene.get_handle_by_name("/.camera path/1") is not None
    assert viewer.server.scene.get_handle_by_name("/.camera path/2") is None
    tool.shown.value = False
    assert viewer.server.scene.get_handle_by_name("/.camera path/line") is None


def test_the_flight_lasts_as_long_as_it_should_and_passes_the_views(tool):
    for view in views(3):
        tool.append(view)
    tool.seconds.value = 2.0
    frames = tool.frames((64, 48), 20)
    assert len(frames) == 41
    for k, view in enumerate(tool.path.views):
        assert torch.allclose(frames.world_to_camera[20 * k], view.world_to_camera[0], atol=1e-6)
    tool.loop.value = True
    assert len(tool.frames((64, 48), 20)) == pytest.approx(40, abs=2)


def test_a_saved_path_is_read_again_as_its_views(tool, tmp_path):
    for view in views(4):
        tool.append(view)
    before = list(tool.path.views)
    tool.save.value = True
    cameras = named_cameras(tmp_path / "path.json", None)
    assert cameras.sizes[0] == (32, 24)
    assert len(cameras) > 50
    for _ in range(4):
        tool.actions.value = "Remove"
    tool.load.value = True
    assert len(tool.path) == 4
    for view, again in zip(before, tool.path.views):
        assert torch.allclose(again.world_to_camera, view.world_to_camera, atol=1e-6)
    said = []
    tool._viewer.notify = lambda client, text, bad=False: said.append((text, bad))
    content = (tmp_path / "path.json").read_bytes()
    tool.save.value = True
    assert "exists already" in said[-1][0]
    assert (tmp_path / "path.json").read_bytes() == content
    tool.file.value = str(tmp_path / "nowhere.json")
    tool.load.value = True
    assert said[-1][1]
    assert len(tool.path) == 4


def test_any_file_of_cameras_is_a_path(tool, tmp_path):
    save_cameras(tmp_path / "other.json", views(2)[1])
    tool.file.value = str(tmp_path / "other.json")
    tool.load.value = True
    assert len(tool.path) == 1


def test_the_preview_moves_the_client_and_can_be_stopped(viewer, tool):
    for view in views(2):
        tool.append(view)
    looked = []
    client = client_of(viewer, views(1)[0])
    viewer.look = lambda one, camera: looked.append(camera)
    viewer.server.get_clients = lambda: {0: client}
    tool.seconds.value = 0.3
    tool._preview(event(client))
    until(lambda: looked and not tool._jobs.running, "the preview does not end", 20)
    assert torch.allclose(looked[-1].world_to_camera, tool.path.views[-1].world_to_camera)
    assert tool.preview.label == "Preview"
    tool.seconds.value = 60.0
    tool._preview(event(client))
    until(lambda: tool.preview.label == "Stop", "the preview does not begin", 20)
    tool._preview(event(client))
    until(lambda: not tool._jobs.running, "the preview does not stop", 5)


def test_the_video_shows_what_geokit_renders(viewer, tool, tmp_path):
    for view in views(2):
        tool.append(view)
    tool.seconds.value, tool.video.rate.value = 0.5, 10
    said = []
    viewer.notify = lambda client, text, bad=False: said.append((text, bad))
    for kind, name in ((".gif", "video.gif"), (".webp", "video.webp"), (FOLDER, "video")):
        tool.video.format.value = kind
        assert tool.video.file.value == str(tmp_path / name)
        tool.video.save.value = True
        until(lambda: not tool.video._jobs.running, "no video", 60)
        assert said[-1] == (said[-1][0], False)
        assert f"{name}: 6 frames" in said[-1][0]
    frames = tool.frames((32, 24), 10)
    wanted = render_layers(viewer.layers.values(), frames[3]).numpy()
    drawn = np.asarray(Image.open(tmp_path / "video" / "0003.png")) / 255
    assert np.abs(drawn - wanted).max() < 0.005
    for name in ("video.gif", "video.webp"):
        moving = Image.open(tmp_path / name)
        assert moving.n_frames == 6
        moving.seek(3)
        assert np.abs(np.asarray(moving.convert("RGB")) / 255 - wanted).mean() < 0.05
    assert not list(tmp_path.glob(".*"))


def test_a_cancelled_video_leaves_nothing(viewer, tool, tmp_path, monkeypatch):
    for view in views(2):
        tool.append(view)
    reached, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> np.ndarray:
        reached.set()
        go_on.wait(10)
        return np.zeros((24, 32, 3), np.uint8)

    monkeypatch.setattr("geokit.viewer.tools.video_controls.geokit_picture", slow)
    for kind in (".gif", FOLDER):
        tool.video.format.value = kind
        tool.video.save.value = True
        reached.wait(10)
        assert tool.video.cancel.visible
        tool.video.cancel.value = True
        go_on.set()
        until(lambda: not tool.video._jobs.running, "it does not stop", 20)
        assert list(tmp_path.iterdir()) == []
        assert not tool.video.cancel.visible
        reached.clear()
        go_on.clear()


def test_a_second_video_waits_for_the_first(tool, monkeypatch):
    for view in views(2):
        tool.append(view)

    def slow(*_: object) -> np.ndarray:
        time.sleep(0.2)
        return np.zeros((24, 32, 3), np.uint8)

    monkeypatch.setattr("geokit.viewer.tools.video_controls.geokit_picture", slow)
    tool.video._start(event(None), download=False)
    with pytest.raises(InvalidInput, match="not finished yet"):
        tool.video._start(event(None), download=False)
    tool.video._jobs.stop()


def test_the_video_can_be_downloaded(viewer, tool, tmp_path):
    for view in views(2):
        tool.append(view)
    tool.seconds.value, tool.video.rate.value = 0.3, 10
    client = client_of(viewer, views(1)[0])
    for kind, name in ((".gif", "video.gif"), (FOLDER, "video.zip")):
        tool.video.format.value = kind
        tool.video._start(event(client), download=True)
        until(lambda: not tool.video._jobs.running, "no video", 60)
        assert client.files.pop()[0] == name
    assert list(tmp_path.iterdir()) == []


def test_what_exists_stays_unless_it_may_be_replaced(tool, tmp_path):
    for view in views(2):
        tool.append(view)
    (tmp_path / "video.gif").write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        tool.video._start(event(None), download=False)
    tool.video.file.value = str(tmp_path / "video.png")
    with pytest.raises(InvalidInput, match="does not end in"):
        tool.video._start(event(None), download=False)
    assert (tmp_path / "video.gif").read_text() == "mine"


def test_a_folder_of_frames_is_replaced_as_a_whole_and_one_of_other_things_is_not(tmp_path):
    target = tmp_path / "video"
    write_video(target, FOLDER, frames(7), 10, (32, 24))
    write_video(target, FOLDER, frames(3), 10, (32, 24))
    assert sorted(file.name for file in target.iterdir()) == ["0000.png", "0001.png", "0002.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["video"]
    (target / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInput, match=r"more than frames \(notes\.txt"):
        check_video(target, FOLDER, 3, 32, 24, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"


def frames(count: int = 5) -> list[np.ndarray]:
    return [np.full((10, 15, 3), 40 * i, np.uint8) for i in range(count)]


def fake_ffmpeg(folder, monkeypatch, body: str) -> None:
    """A program of that name, which writes down what it was given."""
    program = folder / "ffmpeg"
    program.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_an_mp4_needs_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="ffmpeg"):
        video_module.check_video(tmp_path / "a.mp4", ".mp4", 5, 15, 10, False)


def test_ffmpeg_is_given_every_pixel(tmp_path, monkeypatch):
    fake_ffmpeg(tmp_path, monkeypatch, "open(sys.argv[-1], 'wb').write(sys.stdin.buffer.read())")
    write_video(tmp_path / "out" / "a.mp4", ".mp4", iter(frames()), 12, (15, 10))
    assert (tmp_path / "out" / "a.mp4").read_bytes() == b"".join(frame.tobytes() for frame in frames())
    assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.parametrize("early", [True, False])
def test_what_ffmpeg_says_is_told(tmp_path, monkeypatch, early):
    body = ("" if early else "sys.stdin.buffer.read()\n") + "sys.stderr.write('first\\nno such codec\\n')\nsys.exit(1)"
    fake_ffmpeg(tmp_path, monkeypatch, body)
    with pytest.raises(GeokitError, match="no such codec"):
        write_video(tmp_path / "out" / "a.mp4", ".mp4", iter(frames() * 3000), 12, (15, 10))
    assert not list((tmp_path / "out").iterdir())
