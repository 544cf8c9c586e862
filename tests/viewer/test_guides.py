"""Axes, grid and boxes are where and as large as they say."""

from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.guides import bounding_boxes, ground_grid, world_axes
from geokit.viewer.layers import mesh as mesh_module
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.render_scene import scene_drawables
from geokit.viewer.tools.screenshot import geokit_picture
from geokit.viewer.tools.video import FOLDER
from PIL import Image

from tests.viewer.browser import until
from tests.viewer.shapes import ball
from tests.viewer.tools.scenes import client_of, event

UP = np.array([0.0, 1.0, 0.0])
BOX = np.array([[-1.0, -2.0, -0.5], [1.0, 2.0, 0.5]])


def test_axes_start_at_the_origin_or_at_the_corner_where_it_is_far():
    near = world_axes({"a": BOX}, UP)
    np.testing.assert_allclose(near.lines.ends[:, 0], 0)
    np.testing.assert_allclose(near.lines.ends[:, 1], np.eye(3))
    assert near.note == "Axes: 1 long"
    assert [text for text, _ in near.labels] == ["x", "y", "z"]
    far = world_axes({"a": BOX + 5e6}, UP)
    np.testing.assert_allclose(far.lines.ends[0, 0], BOX[0] + 5e6)
    assert "the origin is far away" in far.note


def test_the_grid_touches_the_scene_from_below_with_cells_of_the_size_it_says():
    grid = ground_grid({"a": BOX}, UP)
    assert grid.note == "Grid: one cell is 0.2"
    np.testing.assert_allclose(grid.lines.ends[..., 1], -2)
    xs = np.unique(grid.lines.ends[..., 0].round(9))
    assert xs.min() <= -1
    assert xs.max() >= 1
    np.testing.assert_allclose(xs / 0.2, (xs / 0.2).round(), atol=1e-9)
    tilted = np.array([1.0, 2.0, -0.5]) / np.linalg.norm([1.0, 2.0, -0.5])
    heights = ground_grid({"a": BOX}, tilted).lines.ends @ tilted
    np.testing.assert_allclose(heights, heights.min(), atol=1e-9)


def test_boxes_have_their_sizes_as_labels():
    boxes = bounding_boxes({"a": BOX, "b": BOX + 3}, UP)
    assert len(boxes.lines.ends) == 24
    assert [text for text, _ in boxes.labels] == ["2", "4", "1"] * 2
    lengths = np.linalg.norm(boxes.lines.ends[:, 1] - boxes.lines.ends[:, 0], axis=1)
    assert sorted(lengths.tolist()) == pytest.approx([1.0] * 8 + [2.0] * 8 + [4.0] * 8)


def test_switches_show_guides_that_follow_the_layers():
    with Viewer(port=0, up=(0, 0, 1)) as viewer:
        guides = viewer.parts["Guides"]
        for switch in guides.switches.values():
            switch.value = True  # nothing is there yet
        assert guides.drawables() == []
        layer = MeshLayer("ball", ball())
        viewer.add(layer)
        assert len(guides.drawables()) == 3
        assert guides.note.visible
        assert "one cell is" in guides.note.content
        before = guides._nodes["Bounding boxes"][0]
        viewer.changed()
        assert guides._nodes["Bounding boxes"][0] is before  # nothing changed, nothing is sent
        viewer.edit({layer: ball(2.0)}, "grew")
        nodes = guides._nodes["Bounding boxes"]
        assert [node.text for node in nodes[1:]] == ["4", "4", "4"]
        corner = viewer.frame.to_world(nodes[0].points).min((0, 1))
        np.testing.assert_allclose(corner, -2, atol=1e-5)
        viewer.show(layer, False)
        assert guides.drawables() == []
        assert not guides._nodes
        viewer.show(layer, True)
        guides.switches["Ground grid"].value = False
        assert set(guides._nodes) == {"World axes", "Bounding boxes"}


def test_boxes_of_large_shapes_are_not_computed_unless_they_are_needed(monkeypatch):
    with Viewer(port=0, up=(0, 0, 1)) as viewer:
        viewer.add(MeshLayer("ball", ball()))
        monkeypatch.setattr(MeshLayer, "bounds", lambda self: pytest.fail("nothing is switched on"))
        viewer.changed()
        monkeypatch.undo()


def test_the_box_of_a_mesh_is_kept_until_it_changes(monkeypatch):
    asked, plain = [], mesh_module.box_of
    monkeypatch.setattr(mesh_module, "box_of", lambda places: asked.append(len(places)) or plain(places))
    layer = MeshLayer("ball", ball())
    before = layer.bounds()
    assert (layer.bounds() == before).all()
    assert len(asked) == 1
    layer.bounds()[:] = 7  # what is kept is not given away
    for change, wanted in (
        (lambda: setattr(layer, "offset", np.array([5.0, 0, 0])), [[4, -1, -1], [6, 1, 1]]),
        (lambda: setattr(layer, "turn", 2 * np.eye(3)), [[3, -2, -2], [7, 2, 2]]),
        (lambda: layer.replace(ball(0.5)), [[4, -1, -1], [6, 1, 1]]),
    ):
        change()
        np.testing.assert_allclose(layer.bounds(), wanted, atol=1e-6)


def test_screenshots_and_videos_have_the_guides_that_are_on_screen():
    with Viewer(port=0, up=(0, 0, 1)) as viewer:
        layer = MeshLayer("ball", ball())
        viewer.add(layer)
        camera = viewer.home_camera(60, 40)
        client = client_of(viewer, camera)
        plain = geokit_picture(scene_drawables(viewer), camera).astype(int)
        assert (plain == geokit_picture(layer.drawables(), camera)).all()
        viewer.parts["Guides"].switches["World axes"].value = True
        viewer.parts["Guides"].switches["Bounding boxes"].value = True
        tool = viewer.parts["ScreenshotTool"]
        tool._start(event(client))
        until(lambda: client.files, "no picture came")
        shot = np.asarray(Image.open(BytesIO(client.files.pop()[1]))).astype(int)
        assert (np.abs(shot - plain).max(-1) > 60).sum() > 60
        path = viewer.parts["CameraPathTool"]
        path.append(camera)
        path.append(camera)
        path.seconds.value, path.video.rate.value = 0.1, 10
        path.video.width.value, path.video.height.value, path.video.format.value = 60, 40, FOLDER
        path.video._start(event(client), download=True)
        until(lambda: client.files, "no video came")
        with ZipFile(BytesIO(client.files.pop()[1])) as archive:
            frame = np.asarray(Image.open(BytesIO(archive.read(archive.namelist()[0])))).astype(int)
        assert np.abs(frame - shot).mean() < 0.5


def test_guides_of_a_single_point_do_not_fail():
    point = np.zeros((2, 3))
    for guide in (world_axes, ground_grid, bounding_boxes):
        assert np.isfinite(guide({"a": point}, UP).lines.ends).all()
    assert torch.isfinite(torch.from_numpy(world_axes({"a": point + 7}, UP).lines.ends)).all()
