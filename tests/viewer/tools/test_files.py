"""Saving, downloading, screenshots: what is written is what is shown, and nothing else is touched."""

import io
import zipfile

import numpy as np
import pytest
import torch
from geokit.viewer.content import layers_of
from geokit.viewer.layers.cameras import CamerasLayer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.render_scene import render_layers
from geokit.viewer.tools.places import free_path, size_in_words, typed_path
from geokit.viewer.tools.save import layer_as_download, layer_formats, save_layer
from PIL import Image

from geokit.errors import GeokitError, InvalidInput
from geokit.geometry import Cameras, frame_camera
from geokit.io.meshes import save_mesh
from geokit.pipelines.camera_files import named_cameras
from geokit.pipelines.open_shape import open_shape
from tests.viewer.browser import until
from tests.viewer.tools.scenes import ball, client_of, cloud, event, press, splats


def test_every_offered_format_holds_the_layer(tmp_path):
    layers = MeshLayer("ball", ball(level=1)), PointsLayer("cloud", cloud(50, features=2)), SplatsLayer("s", splats(20))
    for layer in layers:
        formats = layer_formats(layer)
        assert len(formats) >= 5
        for ending in formats:
            if ending == ".laz":
                pytest.importorskip("lazrs")
            target = tmp_path / f"{layer.name}{ending}"
            said = save_layer(layer, target)
            assert str(target) in said
            shape = open_shape(target).shape
            assert len(shape) in (len(layer.shape), len(getattr(layer.shape, "vertices", [])))


def test_a_saved_layer_reads_back_equal(tmp_path):
    layer = SplatsLayer("splats", splats())
    said = save_layer(layer, tmp_path / "a.ply")
    assert "200 splats" in said
    again = open_shape(tmp_path / "a.ply").shape
    for name, tensor in layer.shape.tensors().items():
        assert torch.allclose(again.tensors()[name], tensor, atol=1e-6), name


def test_cameras_are_saved_as_render_reads_them(tmp_path):
    cameras = frame_camera(ball().vertices)
    layer = CamerasLayer("views", Cameras(cameras.world_to_camera, cameras.K, cameras.sizes, ("front",)))
    save_layer(layer, tmp_path / "views.json")
    again = named_cameras(tmp_path / "views.json", None)
    assert torch.equal(again.world_to_camera, cameras.world_to_camera)
    assert again.names == ("front",)
    with pytest.raises(InvalidInput, match=r"must end in \.json"):
        save_layer(layer, tmp_path / "views.ply")


def test_the_panel_saves_beside_the_source_and_replaces_only_when_told(viewer, tmp_path):
    save_mesh(tmp_path / "ball.obj", ball())
    original = (tmp_path / "ball.obj").read_bytes()
    viewer.add(*layers_of(tmp_path / "ball.obj"))
    tool = viewer.parts["SaveTool"]
    assert tool.format.value == ".obj"
    assert tool.path.value == str(tmp_path / "ball_edited.obj")
    said = []
    viewer.notify = lambda client, text, bad=False: said.append((text, bad))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ball.obj"]
    press(tool, tool.save)
    assert "1,280 faces" in said[-1][0]
    assert tool.path.value == str(tmp_path / "ball_edited_2.obj")
    tool.path.value = str(tmp_path / "ball.obj")
    press(tool, tool.save)
    assert said[-1][1]
    assert "exists already" in said[-1][0]
    assert (tmp_path / "ball.obj").read_bytes() == original
    (layer,) = viewer.layers.values()
    viewer.edit({layer: layer.kept(layer.elements()[:, 2] > 0)}, "kept the top")
    tool.replace.value = True
    press(tool, tool.save)
    assert len(open_shape(tmp_path / "ball.obj").shape) == len(layer.shape) < 1280
    assert not tool.replace.value  # asked for once, done once
    tool.format.value = ".spz" if ".spz" in tool.format.options else ".stl"
    assert tool.path.value == str(tmp_path / "ball_edited.stl")
    tool.path.value = str(tmp_path / "ball.xyzzy")
    press(tool, tool.save)
    assert "does not end like a file of a shape" in said[-1][0]


def test_a_texture_beside_an_obj_is_replaced_only_when_told(tmp_path):
    made = ball(level=1)
    texture = torch.rand(4, 4, 3, dtype=made.vertices.dtype)
    textured = made.replace(uv=torch.rand(len(made), 3, 2, dtype=made.vertices.dtype), texture=texture)
    layer = MeshLayer("ball", textured)
    for name in ("ball.png", "ball.mtl"):
        (tmp_path / name).write_bytes(b"somebody's")
        with pytest.raises(InvalidInput, match=f"{name} exists already"):
            save_layer(layer, tmp_path / "ball.obj")
        assert not (tmp_path / "ball.obj").exists()
        assert (tmp_path / name).read_bytes() == b"somebody's"
        (tmp_path / name).unlink()
    save_layer(layer, tmp_path / "ball.obj")
    save_layer(layer, tmp_path / "ball.obj", overwrite=True)


def test_the_name_is_suggested_beside_a_file_that_has_gone(viewer, tmp_path):
    save_mesh(tmp_path / "ball.obj", ball())
    layers = layers_of(tmp_path / "ball.obj")
    (tmp_path / "ball.obj").unlink()
    viewer.add(*layers)
    assert viewer.parts["SaveTool"].path.value == str(tmp_path / "ball_edited.obj")


def test_a_home_of_nobody_is_one_sentence():
    with pytest.raises(InvalidInput, match="begins in the home of nobody known here"):
        typed_path("~nobody_of_this_name/ball.ply")


def test_a_folder_that_cannot_be_written_is_one_sentence(viewer, tmp_path):
    viewer.add(MeshLayer("ball", ball(level=0)))
    tool = viewer.parts["SaveTool"]
    said = []
    viewer.notify = lambda client, text, bad=False: said.append((text, bad))
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "ball.ply", "", "a\0b.ply"):
        tool.path.value = str(path)
        press(tool, tool.save)
        assert said[-1][1], path
        assert "\n" not in said[-1][0]


def test_the_download_is_the_file(viewer):
    layer = PointsLayer("cloud", cloud())
    viewer.add(layer)
    client = client_of(viewer, frame_camera(layer.shape.points))
    viewer.parts["SaveTool"]._download(event(client))
    until(lambda: not viewer.parts["SaveTool"]._jobs.running, "the download does not end", 20)
    ((name, content),) = client.files
    assert name == "cloud.ply"
    assert content == layer_as_download(layer, ".ply")[1]
    assert content.startswith(b"ply")


def test_what_needs_companions_is_downloaded_as_one_archive():
    mesh = ball(level=1).to(torch.float64)
    textured = mesh.replace(
        uv=torch.rand(len(mesh), 3, 2, dtype=torch.float64), texture=torch.rand(4, 4, 3, dtype=torch.float64)
    )
    name, content = layer_as_download(MeshLayer("ball", textured), ".obj")
    assert name == "ball.zip"
    assert sorted(zipfile.ZipFile(io.BytesIO(content)).namelist()) == ["ball.mtl", "ball.obj", "ball.png"]


def test_screenshots_are_what_geokit_renders_at_the_size_that_was_asked(viewer):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    tool = viewer.parts["ScreenshotTool"]
    client = client_of(viewer, frame_camera(layer.shape.vertices, width=60, height=40))
    for size, transparent in (("2 x the page", False), ("own size", True)):
        tool.size.value, tool.transparent.value = size, transparent
        tool.width.value, tool.height.value = 33, 44
        tool._start(event(client))
        until(lambda: client.files, "no picture came", 20)
        until(lambda: not tool._jobs.running, "it does not end", 20)
        name, content = client.files.pop()
        picture = np.asarray(Image.open(io.BytesIO(content)))
        wide, high = (120, 80) if size == "2 x the page" else (33, 44)
        assert picture.shape == (high, wide, 4 if transparent else 3)
        assert f"{wide}x{high}" in name
        wanted = render_layers([layer], viewer.camera_of(client, wide, high)).numpy()
        if transparent:
            assert picture[0, 0, 3] == 0
            alpha = picture[..., 3:] / 255
            picture = picture[..., :3] * alpha + 255 * (1 - alpha)
        assert np.abs(picture / 255 - wanted).max() < 0.02


def test_pictures_too_large_are_refused(viewer):
    viewer.add(MeshLayer("ball", ball()))
    tool = viewer.parts["ScreenshotTool"]
    client = client_of(viewer, frame_camera(ball().vertices, width=4000, height=3000))
    tool.size.value = "4 x the page"
    with pytest.raises(InvalidInput, match="16000 x 12000"):
        tool.wanted_size(client)


def test_a_browser_that_gives_no_picture_is_one_sentence(viewer):
    from geokit.viewer.tools.screenshot import browser_picture

    class Gone:
        def get_render(self, *_: object, **__: object) -> None:
            raise RuntimeError("the client disconnected")

    with pytest.raises(GeokitError, match="gave no picture"):
        browser_picture(Gone(), 10, 10)


def test_the_browsers_own_picture_has_a_background_or_none(viewer):
    from geokit.viewer.tools.screenshot import browser_picture

    class Browser:
        def get_render(self, height: int, width: int, **_: object) -> np.ndarray:
            return np.concatenate([np.full((height, width, 3), 100), np.full((height, width, 1), 51)], -1).astype("u1")

    assert browser_picture(Browser(), 3, 2).tolist() == [[[224] * 3] * 3] * 2
    assert browser_picture(Browser(), 3, 2, True).shape == (2, 3, 4)


def test_names_that_are_free(tmp_path):
    assert free_path(tmp_path, "a", ".ply").name == "a.ply"
    (tmp_path / "a.ply").touch()
    (tmp_path / "a_2.ply").touch()
    assert free_path(tmp_path, "a", ".ply").name == "a_3.ply"
    assert [size_in_words(n) for n in (12, 1500, 2_340_000, 5 * 10**9)] == ["12 bytes", "1.5 kB", "2.34 MB", "5 GB"]
