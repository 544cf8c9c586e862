"""Axes, grid and boxes are where and as large as they say."""

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.guides import bounding_boxes, ground_grid, world_axes
from geokit.viewer.layers.mesh import MeshLayer

from tests.viewer.shapes import ball

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


def test_guides_of_a_single_point_do_not_fail():
    point = np.zeros((2, 3))
    for guide in (world_axes, ground_grid, bounding_boxes):
        assert np.isfinite(guide({"a": point}, UP).lines.ends).all()
    assert torch.isfinite(torch.from_numpy(world_axes({"a": point + 7}, UP).lines.ends)).all()
