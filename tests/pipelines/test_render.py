"""Scenes to pictures."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Cameras
from geokit.io import load_photograph, load_splats
from geokit.pipelines.camera_files import named_cameras, save_cameras
from geokit.pipelines.posed_pictures import picture_names
from geokit.pipelines.render import render_scene
from geokit.splatting import render
from tests.pipelines.synthetic import HEIGHT, WIDTH, ring_cameras


def test_held_out_views_look_as_they_did_in_the_run(run, tmp_path):
    files = render_scene(run, "test", tmp_path)
    assert [file.name for file in files] == ["00.png", "08.png"]
    with Image.open(run / "views" / "00.png") as picture:
        middle = np.array(picture)[:, WIDTH + 4 : 2 * WIDTH + 4]
    assert np.array_equal(load_photograph(files[0]).numpy(), middle)


def test_turntable_train_and_captures(run, capture, tmp_path):
    assert len(render_scene(run, "train", tmp_path / "train", downscale=2)) == 8
    assert load_photograph(tmp_path / "train" / "01.png").shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert len(render_scene(run / "splats.ply", capture, tmp_path / "capture")) == 10
    assert render_scene(run, "turntable", tmp_path / "t.gif") == [tmp_path / "t.gif"]
    assert (tmp_path / "t.gif").read_bytes() == (run / "turntable.gif").read_bytes()


def test_a_file_of_cameras_and_depth(run, tmp_path):
    cameras = ring_cameras(3)
    save_cameras(tmp_path / "cameras.json", cameras)
    again = named_cameras(tmp_path / "cameras.json", None)
    assert torch.equal(again.world_to_camera, cameras.world_to_camera)
    assert torch.equal(again.K, cameras.K)
    assert (again.sizes, again.names) == (cameras.sizes, cameras.names)
    files = render_scene(run, tmp_path / "cameras.json", tmp_path / "out", depth=True, background=(1.0, 0.0, 0.0))
    assert len(files) == 9
    seen = render(load_splats(run / "splats.ply"), cameras[1], depth=True, background=torch.tensor([1.0, 0, 0]))
    with Image.open(tmp_path / "out" / "camera_0001_depth.png") as picture:
        assert picture.mode.startswith("I")
        stored = torch.from_numpy(np.array(picture).astype(np.float64))
    unit = json.loads((tmp_path / "out" / "depth.json").read_text())["camera_0001"]["unit"]
    solid = seen.alpha > 0.5
    assert solid.any()
    torch.testing.assert_close(stored[solid] * unit, seen.depth[solid].double(), rtol=1e-3, atol=unit)
    assert (stored[~solid] == 0).all()
    wanted = (seen.image.clamp(0, 1) * 255).round().to(torch.uint8)
    assert torch.equal(load_photograph(tmp_path / "out" / "camera_0001.png"), wanted)


def test_depth_is_kept_unless_asked_and_its_units_are_added_to(run, tmp_path):
    cameras = ring_cameras(3)
    render_scene(run, cameras[:2], tmp_path, depth=True)
    before = json.loads((tmp_path / "depth.json").read_text())
    (tmp_path / "camera_0000.png").unlink()
    with pytest.raises(InvalidInput, match=r"camera_0000_depth.png exists already"):
        render_scene(run, cameras[:1], tmp_path, depth=True)
    render_scene(run, cameras[2], tmp_path, depth=True)
    after = json.loads((tmp_path / "depth.json").read_text())
    assert set(after) == {"camera_0000", "camera_0001", "camera_0002"}
    assert before.items() <= after.items()
    (tmp_path / "depth.json").write_text("[")
    with pytest.raises(UnreadableFile, match=r"depth.json is not"):
        render_scene(run, cameras, tmp_path, depth=True, overwrite=True)


@pytest.mark.parametrize("name", ["movie.mp4", "pic.png", "PIC.JPEG"])
def test_an_output_that_ends_like_a_file(run, tmp_path, name):
    with pytest.raises(InvalidInput, match=r"ends like a file, but only .gif can be one"):
        render_scene(run, "test", tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_gif_of_pictures_of_different_sizes(run, tmp_path):
    cameras = ring_cameras(2)
    mixed = Cameras(cameras.world_to_camera, cameras.K, ((WIDTH, HEIGHT), (WIDTH, HEIGHT - 2)))
    with pytest.raises(InvalidInput, match=r"a .gif needs pictures of one size, got 48x34, 48x36"):
        render_scene(run, mixed, tmp_path / "t.gif")


def test_existing_pictures_are_kept_unless_asked(run, tmp_path):
    (tmp_path / "08.png").write_bytes(b"mine")
    with pytest.raises(InvalidInput, match=r"08.png exists already"):
        render_scene(run, "test", tmp_path)
    assert (tmp_path / "08.png").read_bytes() == b"mine"
    assert not (tmp_path / "00.png").exists()
    render_scene(run, "test", tmp_path, overwrite=True)


@pytest.mark.parametrize(
    "options",
    [{"downscale": 0.5}, {"background": (0, 0, 2)}, {"cameras": "nowhere"}, {"output": "x.gif", "depth": True}],
)
def test_options_that_cannot_be(run, tmp_path, options):
    output = tmp_path / options.pop("output", "out")
    with pytest.raises((InvalidInput, UnreadableFile)):
        render_scene(run, options.pop("cameras", "test"), output, **options)


def test_the_cameras_of_a_run_need_a_run(run, tmp_path):
    with pytest.raises(InvalidInput, match="are those of a run"):
        render_scene(run / "splats.ply", "test", tmp_path)
    with pytest.raises(UnreadableFile, match=r"holds no splats.ply"):
        render_scene(tmp_path, "test", tmp_path)


@pytest.mark.parametrize(
    "content",
    ["{", '{"cameras": []}', '{"cameras": [3]}', '{"cameras": [{}]}',
     '{"cameras": [{"world_to_camera": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, NaN], [0, 0, 0, 1]]}]}',
     json.dumps({"cameras": [{"world_to_camera": torch.eye(4).tolist(), "K": torch.eye(3).tolist(), "width": -3}]}),
     json.dumps({"cameras": [{"world_to_camera": (2 * torch.eye(4)).tolist(), "K": torch.eye(3).tolist(), "width": 3,
                              "height": 3}]})],
)  # fmt: skip
def test_bad_files_of_cameras(run, tmp_path, content):
    (tmp_path / "cameras.json").write_text(content)
    with pytest.raises(UnreadableFile, match=r"cameras.json"):
        render_scene(run, tmp_path / "cameras.json", tmp_path / "out")


def test_picture_names_are_safe_and_different():
    assert picture_names(["images/a.png", "images/b.JPG"]) == ["a", "b"]
    assert picture_names(["left/a.png", "right/a.png"]) == ["left__a", "right__a"]
    assert picture_names(["a", "a"]) == ["0000_a", "0001_a"]
    assert picture_names(["frame.0001", "../..", "x\0:y"]) == ["frame.0001", "..", "x__y"]
