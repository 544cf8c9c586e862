"""Measuring: straight, along the surface, angles; what is drawn and listed."""

import numpy as np
import pytest
import torch
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.tools.directions import rotation_between
from geokit.viewer.tools.measurement import measure
from geokit.viewer.tools.on_screen import project
from geokit.viewer.tools.surface_way import surface_way

from geokit.errors import InvalidInput
from geokit.geometry import Mesh
from tests.viewer.browser import picture, until
from tests.viewer.tools.scenes import ball, cloud, pick_at, settled


@pytest.fixture
def sphere(viewer) -> MeshLayer:
    layer = MeshLayer("ball", ball(level=4))
    viewer.add(layer)
    return layer


TOP, SIDE, FRONT = ((0, 0, 9.0), (0, 0, -1.0)), ((9.0, 0, 0), (-1.0, 0, 0)), ((0, 9.0, 0), (0, -1.0, 0))


def test_a_quarter_of_a_sphere(sphere):
    found = measure([pick_at(sphere, *TOP), pick_at(sphere, *SIDE)])
    assert found.straight == pytest.approx(2**0.5, rel=2e-3)
    assert found.along == pytest.approx(np.pi / 2, rel=1e-2)
    assert found.angle is None
    places = found.way.places
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).sum() == pytest.approx(found.along)
    assert np.linalg.norm(places, axis=1) == pytest.approx(1, abs=0.01)  # it stays on the surface
    assert found.way.normals == pytest.approx(places, abs=0.1)
    assert places[[0, -1]] == pytest.approx(found.points, abs=1e-9)


def test_ways_are_the_shortest_but_for_thousandths(sphere):
    mesh = sphere.shape
    for first in (1, 7, 77, 200, 1234):
        last = len(mesh) - 1 - first
        a, b = (mesh.corners[face].mean(0) for face in (first, last))
        around = float(torch.acos((a @ b) / (a.norm() * b.norm())))  # on the sphere in which the mesh is inscribed
        assert surface_way(mesh, (first, last), (None, None)).length == pytest.approx(around, rel=3e-3)


def test_on_a_plane_the_way_is_the_line():
    x, y = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    vertices = torch.stack([x, y, 0 * x], -1).reshape(-1, 3).double()
    i = (torch.arange(8)[:, None] * 9 + torch.arange(8)).reshape(-1)
    mesh = Mesh(vertices, torch.cat([torch.stack([i, i + 9, i + 10], 1), torch.stack([i, i + 10, i + 1], 1)]))
    for first, last in ((0, 100), (5, 127), (63, 64)):
        found = surface_way(mesh, (first, last), (None, None))
        a, b = (mesh.corners[face].mean(0) for face in (first, last))
        assert found.length == pytest.approx(float((a - b).norm()), rel=1e-3)


def test_what_is_moved_aside_is_measured_where_it_stands(viewer, sphere):
    sphere.offset = np.array([4.0, 0, 0])
    picks = [pick_at(sphere, (4.0, 0, 9.0), TOP[1]), pick_at(sphere, (4.0, 9.0, 0), FRONT[1])]
    found = measure(picks)
    assert found.along == pytest.approx(np.pi / 2, rel=1e-2)
    assert np.linalg.norm(found.way.places - [4, 0, 0], axis=1) == pytest.approx(1, abs=0.01)


def test_what_is_turned_and_scaled_is_measured_in_its_own_unit(viewer, sphere):
    turn = rotation_between(np.array([0.0, 0, 1]), np.array([0.6, 0, 0.8]))
    sphere.turn, sphere.offset = 5 * turn, np.array([40.0, 7, -3])
    origins, towards = (sphere.placed(np.array([9.0 * unit for unit in np.eye(3)[[2, 1]]])), -turn.T[[2, 1]])
    found = measure([pick_at(sphere, *ray) for ray in zip(origins, towards)])
    assert found.straight == pytest.approx(2**0.5, rel=2e-3)
    assert found.along == pytest.approx(np.pi / 2, rel=1e-2)
    assert found.unit == "the file's own"
    way = found.way
    assert np.linalg.norm(way.places - sphere.offset, axis=1) == pytest.approx(5, abs=0.05)
    assert way.places[[0, -1]] == pytest.approx(found.points, abs=1e-6)
    assert way.normals == pytest.approx((way.places - sphere.offset) / 5, abs=0.1)
    assert found.above == pytest.approx(5 * 0.002 * sphere.shape.extent)
    other = MeshLayer("other", ball())
    viewer.add(other)
    assert "scaled" in measure([pick_at(sphere, origins[0], towards[0]), pick_at(other, *TOP)]).unit


def test_on_one_face_the_way_is_straight(sphere):
    mesh = sphere.shape
    a, b = (0.6, 0.3, 0.1), (0.1, 0.2, 0.7)
    found = surface_way(mesh, (5, 5), (a, b))
    corners = mesh.corners[5]
    wanted = (torch.tensor(a).double() - torch.tensor(b).double()) @ corners
    assert found.length == pytest.approx(float(wanted.norm()), abs=1e-6)
    assert len(found.places) == 2


def test_no_way_leads_from_piece_to_piece():
    two = ball(level=1), ball((3.0, 0, 0), level=1)
    mesh = Mesh(
        torch.cat([two[0].vertices, two[1].vertices]), torch.cat([two[0].faces, two[1].faces + len(two[0].vertices)])
    )
    assert surface_way(mesh, (0, len(mesh) - 1), (None, None)) is None


def test_between_layers_there_is_only_the_straight_way(viewer, sphere):
    points = PointsLayer("cloud", cloud())
    viewer.add(points)
    found = measure([pick_at(sphere, *TOP), pick_at(points, (0, 0, 9.0), (0, 0, -1.0))])
    assert (found.along, found.way) == (None, None)


def test_three_places_make_an_angle(sphere):
    found = measure([pick_at(sphere, *SIDE), pick_at(sphere, *TOP), pick_at(sphere, *FRONT)])
    assert np.degrees(found.angle) == pytest.approx(60, abs=0.3)
    same = pick_at(sphere, *TOP)
    assert np.isnan(measure([same, same, same]).angle)


def test_the_unit_is_the_one_of_the_file(tmp_path, sphere):
    assert measure([pick_at(sphere, *TOP), pick_at(sphere, *SIDE)]).unit == "the file's own"
    sphere.source = tmp_path / "ball.glb"
    assert measure([pick_at(sphere, *TOP), pick_at(sphere, *SIDE)]).unit == "metre (glTF)"


def test_measurements_are_drawn_listed_and_removed(viewer, sphere):
    tool = viewer.parts["MeasureTool"]
    tool.active.value = True
    assert "first" in tool.status.content
    for where in (TOP, SIDE, TOP, FRONT):
        tool.click(pick_at(sphere, *where), None)
    assert tool.work.wait(20)
    assert list(tool.measurements) == [1, 2]
    assert "1. distance 1.41" in tool.list.content
    assert "along the surface 1.5" in tool.list.content
    assert "Unit: the file's own" in tool.list.content
    shown = viewer.server.scene.get_handle_by_name("/.measure/1/label")
    assert shown.text.startswith("1.41")
    line = viewer.server.scene.get_handle_by_name("/.measure/1/line")
    ends = viewer.frame.to_world(line.points[0])
    assert ends == pytest.approx(tool.measurements[1].points, abs=1e-5)
    tool.choice.value = "1"
    tool.remove.value = True
    assert list(tool.measurements) == [2]
    assert viewer.server.scene.get_handle_by_name("/.measure/1/label") is None
    tool.clear.value = True
    assert not tool.measurements
    assert not tool.list.visible
    assert viewer.server.scene.get_handle_by_name("/.measure/2/line") is None


def test_another_kind_of_measurement_keeps_the_clicks(viewer, sphere):
    tool = viewer.parts["MeasureTool"]
    tool.active.value = True
    tool.kind.value = "Angle"
    assert tool.active.value
    for where in (TOP, SIDE, FRONT):
        tool.click(pick_at(sphere, *where), None)
    assert tool.work.wait(20)
    assert tool.measurements[1].text == "angle 60.00°"
    assert tool.measurements[1].label == "60.00°"


def test_measurements_turn_with_the_shapes(viewer, sphere):
    tool = viewer.parts["MeasureTool"]
    tool.add(measure([pick_at(sphere, *TOP), pick_at(sphere, *SIDE)]))
    before = tool.measurements[1].points
    viewer.parts["UpAxisTool"].axes.value = "+x"
    viewer.parts["UpAxisTool"].turn.value = "+z up"
    assert tool.measurements[1].points[:, 2] == pytest.approx(before[:, 0], abs=1e-6)
    viewer.undo()
    assert tool.measurements[1].points == pytest.approx(before, abs=1e-9)


def test_two_clicks_in_the_page_measure(viewer, opened):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    tool = viewer.parts["MeasureTool"]
    with opened(viewer, 900, 500) as (page, client):
        tool.active.value = True
        until(lambda: settled(viewer, client, 900), "the page does not settle")
        towards = client.camera.position / np.linalg.norm(client.camera.position)
        side = np.cross(towards, [0.0, 0.0, 1.0])
        places = [towards * 0.8 + side * 0.6, towards * 0.95 - np.array([0, 0, 0.31])]
        for place, arrived in zip(places, (lambda: tool._picks, lambda: tool.measurements)):
            (pixel,), _ = project(place[None] / np.linalg.norm(place), viewer.camera_of(client))
            page.mouse.click(*pixel)
            until(arrived, "the click did not arrive")
        found = tool.measurements[1]
        for point, place in zip(found.points, places):
            assert point == pytest.approx(place / np.linalg.norm(place), abs=0.02)
        angle = np.arccos(places[0] @ places[1] / np.prod([np.linalg.norm(p) for p in places]))
        assert found.straight == pytest.approx(2 * np.sin(angle / 2), abs=0.03)
        assert found.along == pytest.approx(angle, abs=0.03)

        def blue() -> bool:  # the way over the grey ball
            drawn = picture(client, 450, 250, tries=1)
            return (drawn[..., 2] - drawn[..., 0] > 0.3).sum() > 40

        until(blue, "the way is not drawn", 30)


@pytest.mark.parametrize("how", ["turned", "cut"])
def test_clicks_before_and_after_a_change_are_not_mixed(viewer, how):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    tool, said = viewer.parts["MeasureTool"], []
    viewer.notify = lambda client, text, bad=False: said.append(text)
    tool.active.value = True
    tool.click(pick_at(layer, [0, 0, 5], [0, 0, -1]), None)
    assert len(tool._picks) == 1
    if how == "turned":
        viewer.parts["UpAxisTool"].axes.value = "-x"
        viewer.parts["UpAxisTool"].turn.value = "+y up"
    else:
        viewer.edit({layer: layer.kept(layer.elements()[:, 2] < 0.2)}, "cut")
        with pytest.raises(InvalidInput, match="ball changed while it was measured"):
            tool.click(pick_at(layer, [5, 0.01, 0], [-1, 0, 0]), None)
    assert tool._picks == []
    for origin in ([0.1, 0.1, -5], [0.2, 0.1, -5]):
        tool.click(pick_at(layer, origin, [0, 0, 1]), None)
    assert tool.work.wait(60)
    assert tool.measurements[1].along == pytest.approx(0.1, abs=0.02)
