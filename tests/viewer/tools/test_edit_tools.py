"""Selecting, cropping and undoing: callbacks are called as the page would, and once by the page itself."""

import time

import numpy as np
import pytest
import torch
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.tools.directions import axis_name
from geokit.viewer.tools.on_screen import Sight, in_rectangle, project
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry import Mesh, frame_camera
from tests.viewer.browser import until
from tests.viewer.tools.scenes import ball, client_of, cloud, event, pick_at, settled, splats, three_layers


def test_keeping_and_deleting_what_is_in_a_box_are_two_parts_of_the_whole(viewer):
    layers = three_layers(viewer)
    tool = viewer.parts["CropTool"]
    tool.active.value = True
    tool.handles.wxyz = (0.9, 0.1, 0.3, -0.2)
    for side in tool._sides:
        side.value = 1.4  # some faces of the ball and not all
    tool.refresh()
    inside = {layer: tool.inside(layer) for layer in layers}
    whole = {layer: len(layer.elements()) for layer in layers}
    assert all(0 < mask.sum() < len(mask) for mask in inside.values())
    assert f"{int(inside[layers[1]].sum()):,} points" in tool.status.content
    tool.keep.value = True
    kept = {layer: len(layer.elements()) for layer in layers}
    viewer.undo()
    tool.delete.value = True
    left = {layer: len(layer.elements()) for layer in layers}
    for layer in layers:
        assert kept[layer] == inside[layer].sum()
        assert kept[layer] + left[layer] == whole[layer]
    viewer.undo()
    assert {layer: len(layer.elements()) for layer in layers} == whole


def test_the_box_is_where_its_handles_are(viewer):
    layer = PointsLayer("cloud", cloud())
    viewer.add(layer)
    tool = viewer.parts["CropTool"]
    tool.active.value = True
    center = np.array([0.4, -0.2, 0.1])
    tool.handles.position = viewer.frame.to_view(center)
    for slider, size in zip(tool._sides, (0.5, 0.8, 1.1)):
        slider.value = size
    wanted = (np.abs(layer.elements() - center) <= np.array([0.5, 0.8, 1.1]) / 2).all(1)
    assert (tool.inside(layer) == wanted).mean() > 0.999  # view coordinates are float32
    tool.reset.value = True
    assert tool.inside(layer).all()
    tool.active.value = False
    assert tool.handles is None


def test_a_box_around_everything_deletes_nothing(viewer):
    three_layers(viewer)
    tool = viewer.parts["CropTool"]
    said = []
    viewer.notify = lambda client, text, bad=False: said.append(text)
    tool.active.value = True
    tool.reset.value = True
    tool.choice.handle.value = "ball"
    tool.delete.value = True
    assert "nothing of ball would be left" in said[-1]
    tool.keep.value = True
    assert "nothing would change" in said[-1]
    assert len(viewer.history) == 0


@given(st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_the_rectangle_holds_the_points_that_are_drawn_in_it(seed):
    g = np.random.default_rng(seed)
    points = g.normal(size=(300, 3)) * 2
    camera = frame_camera(torch.from_numpy(points[:100]), tuple(g.normal(size=3)), (0.1, 0.2, 1.0), 64, 48)
    low = g.uniform(0, 0.6, 2)
    high = low + g.uniform(0.05, 0.4, 2)
    found = in_rectangle(points, camera, tuple(low), tuple(high))
    pose, K = camera.world_to_camera[0].numpy(), camera.K[0].numpy()
    for point, inside in zip(points, found):
        x, y, z = K @ (pose[:3, :3] @ point + pose[:3, 3])
        there = z > 0 and low[0] <= x / z / 64 <= high[0] and low[1] <= y / z / 48 <= high[1]
        assert there == inside


def test_what_is_hidden_is_not_seen():
    layer = MeshLayer("ball", ball())
    camera = frame_camera(layer.shape.vertices, (1.0, 0.3, 0.2), (0.0, 0.0, 1.0), 320, 240)
    seen = Sight.of(camera, layer.drawables()).unhidden(layer.elements())
    towards = camera.centers[0].numpy() - layer.elements()
    facing = (layer.shape.face_normals().numpy() * towards).sum(1) / np.linalg.norm(towards, axis=1)
    assert seen[facing > 0.15].all()
    assert not seen[facing < -0.15].any()
    outside = project(layer.elements() + 100, camera)[0]
    assert ((outside < 0) | (outside > (320, 240))).any(1).all()


def test_rectangles_replace_add_and_remove(viewer):
    layer = PointsLayer("cloud", cloud())
    viewer.add(layer)
    tool = viewer.parts["SelectTool"]
    client = client_of(viewer, frame_camera(layer.shape.points, (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), 64, 48))
    left = event(client, screen_min=(0.0, 0.0), screen_max=(0.5, 1.0))
    top = event(client, screen_min=(0.0, 0.0), screen_max=(1.0, 0.5))
    masks = []
    for drawn in (left, top):
        tool.select_rectangle(drawn, "replace")
        assert tool.work.wait(20)
        masks.append(tool.selection.masks[layer])
    a, b = masks
    assert 0.3 < a.mean() < 0.7
    assert (a != b).any()
    tool.select_rectangle(left, "add")
    assert tool.work.wait(20)
    assert (tool.selection.masks[layer] == (a | b)).all()
    tool.select_rectangle(top, "remove")
    assert tool.work.wait(20)
    assert (tool.selection.masks[layer] == (a & ~b)).all()
    tool.turn.value = "Invert"
    assert (tool.selection.masks[layer] == ~(a & ~b)).all()
    count = int(tool.selection.masks[layer].sum())
    assert f"{count:,} points" in tool.status.content
    tool.delete.value = True
    assert len(layer.shape) == 2000 - count
    assert not tool.selection.masks  # the elements have other numbers now
    assert tool.delete.disabled
    viewer.undo()
    assert len(layer.shape) == 2000


def test_only_what_is_seen_is_selected_when_asked(viewer):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    tool = viewer.parts["SelectTool"]
    client = client_of(viewer, frame_camera(layer.shape.vertices, (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), 320, 240))
    everything = event(client, screen_min=(0.0, 0.0), screen_max=(1.0, 1.0))
    tool.select_rectangle(everything)
    assert tool.work.wait(20)
    assert tool.selection.masks[layer].all()
    tool.seen.value = True
    tool.select_rectangle(everything)
    assert tool.work.wait(20)
    assert 0.35 < tool.selection.masks[layer].mean() < 0.55
    tool.keep.value = True
    assert float(layer.shape.vertices[:, 2].min()) > -0.2


def test_a_click_selects_the_piece_that_hangs_together(viewer):
    two = ball((0, 0, 0)), ball((3.0, 0, 0), level=2)
    joined = Mesh(
        torch.cat([two[0].vertices, two[1].vertices]), torch.cat([two[0].faces, two[1].faces + len(two[0].vertices)])
    )
    layer = MeshLayer("two", joined)
    viewer.add(layer, PointsLayer("cloud", cloud()))
    tool = viewer.parts["SelectTool"]
    tool.piece.value = True
    tool.select_piece(pick_at(layer, (3.0, 0, 5.0), (0, 0, -1.0)))
    assert int(tool.selection.masks[layer].sum()) == len(two[1])
    assert tool.selection.masks[layer][len(two[0]) :].all()
    with pytest.raises(InvalidInput, match="no mesh"):
        tool.select_piece(pick_at(viewer.layers["cloud"], (0, 0, 9.0), (0, 0, -1.0)))


def test_only_one_tool_has_the_clicks(viewer):
    three_layers(viewer)
    select, measure = viewer.parts["SelectTool"], viewer.parts["MeasureTool"]
    heard = []
    viewer.on_pick(lambda pick, client: heard.append(pick))
    click = event(None, ray_origin=viewer.frame.to_view([0, 0, 9.0]), ray_direction=(0.0, 0.0, -1.0))
    viewer._click(click)
    assert len(heard) == 1
    select.piece.value = True
    measure.active.value = True
    assert not select.piece.value
    viewer._click(click)
    assert len(heard) == 1
    assert len(measure._picks) == 1
    measure.active.value = False
    viewer._click(click)
    assert len(heard) == 2


def test_faint_and_large_splats_are_selected_by_numbers(viewer):
    layer = SplatsLayer("splats", splats())
    viewer.add(layer)
    tool = viewer.parts["SelectTool"]
    assert tool.floaters.visible
    tool.opacity.value, tool.size.value = 0.3, 1.0
    tool.thresholds.value = True
    faint = layer.shape.logit_opacities.sigmoid().numpy() < 0.3
    assert (tool.selection.masks[layer] == faint).all()
    tool.opacity.value, tool.size.value = 0.0, 0.05
    tool.thresholds.value = True
    low, high = layer.bounds()
    large = layer.shape.log_scales.amax(1).exp().numpy() > 0.05 * np.linalg.norm(high - low)
    assert 0 < large.sum() < len(large)
    assert (tool.selection.masks[layer] == large).all()


def test_the_undo_button_says_what_it_takes_back(viewer):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    tool = viewer.parts["UndoTool"]
    assert tool.button.disabled
    viewer.edit({layer: layer.kept(layer.elements()[:, 2] > 0)}, "kept the top")
    assert (tool.button.label, tool.button.disabled) == ("Undo: kept the top", False)
    tool.button.value = True
    assert (tool.button.label, tool.button.disabled) == ("Undo", True)
    assert len(layer.shape) == len(ball())


def test_tools_without_a_scene_say_so(viewer):
    said = []
    viewer.notify = lambda client, text, bad=False: said.append((text, bad))
    parts = viewer.parts
    parts["CropTool"].active.value = True
    assert not parts["CropTool"].active.value
    client = event(None, camera=event(None, image_width=10, image_height=10, wxyz=0, position=0, fov=0))
    for act in (
        lambda: setattr(parts["SelectTool"].thresholds, "value", True),
        lambda: setattr(parts["SelectTool"].delete, "value", True),
        lambda: setattr(parts["UpAxisTool"].turn, "value", "+y up"),
        lambda: viewer.safely(lambda: parts["CameraPathTool"].append(viewer.camera_of(client))),
        lambda: viewer.safely(lambda: parts["ScreenshotTool"]._start(event(client))),
        lambda: setattr(parts["SaveTool"].save, "value", True),
        lambda: setattr(parts["CameraPathTool"].save, "value", True),
        lambda: setattr(parts["CameraPathTool"].video.save, "value", True),
    ):
        count = len(said)
        act()
        assert len(said) == count + 1
        text, bad = said[-1]
        assert bad
        assert "mistake of geokit" not in text
    parts["UpAxisTool"].axes.value = "+x"
    assert axis_name(viewer.up) == "+x"


def test_a_rectangle_drawn_in_the_page_is_deleted_and_comes_back(viewer, opened):
    layer = PointsLayer("cloud", cloud())
    viewer.add(layer)
    tool = viewer.parts["SelectTool"]
    with opened(viewer, 900, 500) as (page, client):
        until(lambda: settled(viewer, client, 900), "the page does not settle")
        camera = viewer.camera_of(client)
        tool.rectangle.value = True
        for _ in range(20):  # the page learns of the rectangle when it comes to it
            time.sleep(0.5)
            page.mouse.move(200, 150)
            page.mouse.down()
            page.mouse.move(350, 260, steps=3)
            page.mouse.move(500, 350, steps=3)
            page.mouse.up()
            time.sleep(0.5)
            if layer in tool.selection.masks:
                break
            viewer.look(client, camera)  # where the drag has turned it
        until(lambda: layer in tool.selection.masks, "nothing was selected", 10)
        mask = tool.selection.masks[layer]
        low, high = np.array([200, 150]), np.array([500, 350])
        pixels, _ = project(layer.elements(), camera)
        assert mask[((pixels > low + 3) & (pixels < high - 3)).all(1)].all()
        assert not mask[((pixels < low - 3) | (pixels > high + 3)).any(1)].any()
        assert viewer.camera_of(client).centers == pytest.approx(camera.centers)  # the view stood still
        page.get_by_role("tab", name="Tools").click()
        page.get_by_text("Select", exact=True).first.click()
        page.get_by_role("button", name="Delete selected").click()
        until(lambda: len(layer.shape) == 2000 - mask.sum(), "nothing was deleted")
        page.get_by_role("button", name="Undo: deleted").click()
        until(lambda: len(layer.shape) == 2000, "nothing came back")
        viewer.edit({layer: layer.kept(~mask)}, "deleted again")
        page.mouse.move(60, 400)
        page.keyboard.press("Control+z")
        until(lambda: len(layer.shape) == 2000, "Ctrl+Z did nothing")
