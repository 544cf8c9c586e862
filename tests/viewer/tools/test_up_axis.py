"""Which way is up: of the view, and of the shapes."""

import numpy as np
import pytest
import torch
from geokit.viewer.layers.cameras import CamerasLayer
from geokit.viewer.layers.correspondences import CorrespondencesLayer
from geokit.viewer.layers.image import ImageLayer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.slice import SliceLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.matching import map_layers
from geokit.viewer.tools.directions import AXES, axis_name, axis_vector, rotation_between, unit, up_of_ground
from geokit.viewer.values import DistanceTo
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.fields.grid_field import GridField
from geokit.fields.images import fit_image
from geokit.geometry import Cameras, frame_camera, look_at
from geokit.splatting import render
from tests.viewer.tools.scenes import ball, client_of, pick_at, splats, three_layers


def around(eyes: torch.Tensor, up: torch.Tensor) -> Cameras:
    count = len(eyes)
    return Cameras(look_at(eyes, torch.zeros(3), up), torch.eye(3).repeat(count, 1, 1), ((2, 2),) * count)


@pytest.mark.parametrize("name", AXES)
def test_shapes_are_turned_until_up_is_the_axis_and_turned_back(viewer, name):
    layers = three_layers(viewer)
    viewer.add(CamerasLayer("views", around(torch.eye(3) * 3, torch.tensor([0.1, 0.2, 1.0]))))
    before = {layer: layer.shape for layer in viewer.layers.values()}
    tool = viewer.parts["UpAxisTool"]
    tool.axes.value = name
    assert axis_name(viewer.up) == name
    tool.turn.value = "+y up"
    if name == "+y":
        assert len(viewer.history) == 0
        return
    assert axis_name(viewer.up) == "+y"
    height = before[layers[1]].points @ torch.from_numpy(axis_vector(name))
    assert torch.allclose(layers[1].shape.points[:, 1], height, atol=1e-6)
    distances = torch.cdist(layers[0].shape.vertices[:50], layers[1].shape.points[:50])
    assert torch.allclose(distances, torch.cdist(before[layers[0]].vertices[:50], before[layers[1]].points[:50]))
    viewer.undo()
    assert axis_name(viewer.up) == name
    assert all(layer.shape is shape for layer, shape in before.items())


def test_turned_splats_look_the_same_from_the_turned_camera(viewer):
    layer = SplatsLayer("splats", splats())
    viewer.add(layer)
    view = frame_camera(layer.shape.means.double(), (0.5, 1.0, 0.3), (0.0, 0.0, 1.0), 64, 48)
    cameras = CamerasLayer("views", view)
    viewer.add(cameras)
    before = render(layer.shape, view).image
    tool = viewer.parts["UpAxisTool"]
    tool.axes.value = "-x"
    tool.turn.value = "+z up"
    after = render(layer.shape, cameras.shape).image
    assert before.max() > 0.2
    assert (before - after).abs().max() < 2e-4


def places_of(layer) -> np.ndarray:
    return layer.placed(layer.shape.vertices)


@pytest.mark.parametrize("name", ["+z", "-x", "+y"])
def test_a_matched_pair_turns_as_it_stands_and_back(viewer, name):
    first, turn = ball(level=1), rotation_between(axis_vector("+x"), unit([1.0, 2.0, 3.0]))
    first = first.replace(vertices=first.vertices * torch.tensor([1.0, 2.0, 1.4]))
    second = first.replace(vertices=3 * first.vertices @ torch.from_numpy(turn).T + 7)
    viewer.add(*map_layers(first, second, torch.arange(len(first.vertices))))
    pair = next(layer for layer in viewer.layers.values() if isinstance(layer, CorrespondencesLayer))
    tool = viewer.parts["UpAxisTool"]
    tool.axes.value = name
    before = [places_of(layer) for layer in (pair.first, pair.second)] + [pair.segments().ends]
    target = "+y up" if name != "+y" else "+z up"
    tool.turn.value = target
    rotation = rotation_between(axis_vector(name), axis_vector(target[:2]))

    def stands(rotation: np.ndarray) -> None:
        after = [places_of(layer) for layer in (pair.first, pair.second)] + [pair.segments().ends]
        for one, other in zip(before, after):
            assert other == pytest.approx(one @ rotation.T, abs=1e-9)

    stands(rotation)
    pair.place()  # as the slider of the distance apart does: nothing jumps
    stands(rotation)
    assert pair.second.own_places(places_of(pair.second)) == pytest.approx(pair.second.shape.vertices.numpy())
    pair.panel.aligned.value = False
    pair.panel.aligned.value = True
    stands(rotation)
    pair.panel.apart.value = 2.0
    viewer.undo()
    pair.panel.apart.value = 1.2
    stands(np.eye(3))
    assert pair.first.shape is first


def test_slices_and_images_turn_with_the_shapes(viewer):
    mesh = ball(center=(3.0, 0.0, 0.0))
    cut, image = SliceLayer("cut", DistanceTo(mesh)), ImageLayer("image", fit_image(torch.rand(8, 12, 3)))
    viewer.add(MeshLayer("ball", mesh), cut, image)
    cut.move(0, 3.5)
    old, corners, middle = cut.shape, image.corners(), cut.corners().mean(0)
    tool = viewer.parts["UpAxisTool"]
    tool.axes.value = "+x"
    tool.turn.value = "+z up"
    rotation = rotation_between(axis_vector("+x"), axis_vector("+z"))
    assert (cut.axis, cut.position) == (2, pytest.approx(3.5))
    assert cut.corners().mean(0) == pytest.approx(rotation @ middle)
    assert cut.values(np.array([[0.0, 0.0, 3.0]])) == pytest.approx(-1, abs=0.02)
    axis, position = cut._controls
    assert (axis.value, position.value) == ("z", pytest.approx(3.5))
    assert image.corners() == pytest.approx(corners @ rotation.T)
    viewer.undo()
    assert cut.shape is old
    assert (cut.axis, cut.position, axis.value, position.value) == (0, 3.5, "x", 3.5)
    assert image.corners() == pytest.approx(corners, abs=0)


def test_a_plane_across_no_axis_any_more_goes_across_the_nearest(viewer):
    cut = SliceLayer("cut", DistanceTo(ball()))
    viewer.add(cut)
    viewer.parts["UpAxisTool"].set_up(np.array([0.1, 0.2, 1.0]))
    viewer.parts["UpAxisTool"].turn.value = "+z up"
    assert cut.axis == 2
    assert abs(cut.position) < 1e-9
    assert abs(cut.grid().min() + 1) < 0.03


def test_a_field_refuses_and_nothing_is_turned(viewer):
    layer = MeshLayer("ball", ball())
    field = GridField(torch.tensor([[-1.0, -1, -1], [1, 1, 1]]), 1, [[4, 4, 4]])
    viewer.add(layer, SliceLayer("depths", field))
    before = layer.shape
    tool = viewer.parts["UpAxisTool"]
    tool.axes.value = "+x"
    with pytest.raises(InvalidInput, match="depths shows a field, which cannot be turned"):
        tool.turn_shapes(axis_vector("+z"))
    assert layer.shape is before
    assert axis_name(viewer.up) == "+x"
    assert len(viewer.history) == 0


def test_up_comes_from_three_clicks_on_the_ground(viewer):
    layers = three_layers(viewer)
    tool = viewer.parts["UpAxisTool"]
    client = client_of(viewer, frame_camera(layers[0].shape.vertices, (0.0, -5.0, 1.0), (0.0, 0.0, 1.0), 64, 48))
    tool.clicks.value = True
    for x, z in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5)):
        tool.click(pick_at(layers[0], (x, -9.0, z), (0, 1.0, 0)), client)
    assert viewer.up @ (0, -1, 0) > 0.9
    assert not tool.clicks.value
    with pytest.raises(InvalidInput, match="one line"):
        up_of_ground(np.array([[0.0, 0, 0], [1, 1, 1], [2, 2, 2]]), np.ones(3))


def test_up_comes_from_the_cameras(viewer):
    up = torch.tensor([0.3, 0.5, -0.8], dtype=torch.float64)
    up = up / up.norm()
    angle = torch.arange(6).double()
    side = torch.linalg.cross(up, torch.eye(3)[0].double())
    side = side / side.norm()
    eyes = angle.cos()[:, None] * side + angle.sin()[:, None] * torch.linalg.cross(up, side)
    viewer.add(CamerasLayer("ring", around(3 * eyes, up)))
    viewer.parts["UpAxisTool"].cameras.value = True
    assert viewer.up == pytest.approx(up.numpy(), abs=1e-3)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_smallest_rotation_takes_one_direction_to_the_other(seed):
    g = np.random.default_rng(seed)
    a, b = (v / np.linalg.norm(v) for v in g.normal(size=(2, 3)))
    for target in (b, a, -a):
        rotation = rotation_between(a, target)
        assert rotation @ a == pytest.approx(target, abs=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert np.trace(rotation) == pytest.approx(1 + 2 * a @ target, abs=1e-9)


def test_the_crop_box_turns_with_what_is_in_it(viewer):
    layers = three_layers(viewer)
    crop = viewer.parts["CropTool"]
    crop.active.value = True
    crop.handles.position, crop.handles.wxyz = np.array([0.3, -0.1, 0.2]), np.array([0.9, 0.1, 0.3, -0.2])
    inside = {layer: crop.inside(layer) for layer in layers}
    viewer.parts["UpAxisTool"].axes.value = "-x"
    viewer.parts["UpAxisTool"].turn.value = "+y up"
    for layer in layers:
        assert 0 < inside[layer].sum() < len(inside[layer])
        assert (crop.inside(layer) == inside[layer]).mean() > 0.999  # float32 on its sides
    viewer.undo()
    for layer in layers:
        assert (crop.inside(layer) == inside[layer]).mean() > 0.999


def test_what_came_after_a_turn_is_turned_back_with_the_rest(viewer):
    mesh = MeshLayer("ball", ball())
    viewer.add(mesh)
    viewer.parts["UpAxisTool"].axes.value = "-x"
    viewer.parts["UpAxisTool"].turn.value = "+y up"
    cut, copied = SliceLayer("cut", DistanceTo(mesh.shape)), MeshLayer("copy", mesh.shape)
    viewer.add(cut, copied)
    assert viewer.undo() == "turned the shapes, +y is up"
    assert torch.allclose(copied.shape.vertices, mesh.shape.vertices, atol=1e-9)
    assert torch.allclose(cut.shape.target.vertices, mesh.shape.vertices, atol=1e-9)


def test_an_undo_that_is_refused_can_be_done_later(viewer):
    viewer.add(MeshLayer("ball", ball()))
    viewer.parts["UpAxisTool"].axes.value = "-x"
    viewer.parts["UpAxisTool"].turn.value = "+y up"
    field = SliceLayer("field", GridField(torch.tensor([[-1.0] * 3, [1.0] * 3]), 1, [[4, 4, 4]]))
    viewer.add(field)
    with pytest.raises(InvalidInput, match="field shows a field, which cannot be turned"):
        viewer.undo()
    assert axis_name(viewer.up) == "+y"
    viewer.remove("field")
    assert viewer.undo() == "turned the shapes, +y is up"
    assert axis_name(viewer.up) == "-x"
