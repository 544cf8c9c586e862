"""The controls of layers: nothing is sent again that did not change, and what goes wrong is told."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.slice import SliceLayer
from geokit.viewer.tools.save import save_layer
from geokit.viewer.values import DistanceTo, MeshValues

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud
from geokit.pipelines.open_shape import open_shape
from tests.viewer.shapes import ball

NAMES = ["x", "colors", "normals", "one colour", "yz", "reflectance"]


@pytest.fixture
def viewer():
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as made:
        yield made


@pytest.fixture
def said(viewer, monkeypatch) -> list[tuple[str, bool]]:
    told: list[tuple[str, bool]] = []
    monkeypatch.setattr(viewer, "notify", lambda client, text, bad=False: told.append((text, bad)))
    return told


def control(viewer: Viewer, layer: Any, label: str) -> Any:
    handles = viewer.folders[layer.name]._children.values()
    return next(handle for handle in handles if getattr(handle, "label", "") == label)


def same(nodes: list[Any], others: list[Any]) -> bool:
    """Whether these are the very nodes; viser compares what they hold."""
    return len(nodes) == len(others) and all(a is b for a, b in zip(nodes, others))


def cloud() -> PointCloud:
    g = torch.Generator().manual_seed(1)
    return PointCloud(torch.rand(50, 3, generator=g), features=torch.rand(50, len(NAMES), generator=g))


def test_the_size_of_points_is_all_that_is_sent_when_it_changes(viewer):
    layer = PointsLayer("cloud", cloud())
    viewer.add(layer)
    (node,) = layer._nodes
    before, size = node.point_size, layer.size
    control(viewer, layer, "Size").value = 3.0
    assert same(layer._nodes, [node])
    assert layer.size == pytest.approx(3 * size)
    assert node.point_size == pytest.approx(3 * before)
    control(viewer, layer, "Colour by").value = "z"  # drawn again, at the size that was chosen
    assert not same(layer._nodes, [node])
    assert layer._nodes[0].point_size == pytest.approx(3 * before)


def test_a_colour_that_is_not_shown_draws_nothing_again_but_is_kept(viewer):
    points, mesh = PointsLayer("cloud", cloud()), MeshLayer("ball", ball().replace(colors=torch.rand(642, 3).double()))
    viewer.add(points, mesh)
    control(viewer, points, "Colour by").value = "z"
    for layer, label, chosen in ((points, "Colour by", "one colour"), (mesh, "Its own colours", False)):
        before = list(layer._nodes)
        control(viewer, layer, "Colour").value = (255, 0, 0)
        assert same(layer._nodes, before)
        control(viewer, layer, label).value = chosen
        assert not same(layer._nodes, before)
        drawn = layer.colors() if isinstance(layer, PointsLayer) else layer.shown().colors.numpy()
        assert (drawn == (1, 0, 0)).all()
        before = list(layer._nodes)
        control(viewer, layer, "Colour").value = (0, 255, 0)  # now it is shown
        assert not same(layer._nodes, before)
    control(viewer, mesh, "Shading").value = "wireframe"
    before = list(mesh._nodes)
    control(viewer, mesh, "Its own colours").value = True
    assert mesh._look()[1:] == (True, (0, 1, 0))
    assert not same(mesh._nodes, before)


def test_features_with_the_names_of_other_things_are_told_apart(viewer, tmp_path):
    shape = cloud()
    layer = PointsLayer("cloud", shape, feature_names=NAMES)
    offered = layer.attributes()
    assert len(set(offered)) == len(offered)
    assert offered[-6:] == ["x (file)", "colors (file)", "normals (file)", "one colour (file)", "yz", "reflectance"]
    viewer.add(layer)
    choice = control(viewer, layer, "Colour by")
    for name, numbers in [*zip(offered[-6:], shape.features.unbind(1)), ("x", shape.points[:, 0])]:
        choice.value = name
        legend = layer.legend()
        assert legend.title == name
        assert (legend.low, legend.high) == pytest.approx((float(numbers.min()), float(numbers.max())))
    choice.value = "one colour"
    assert layer.legend() is None
    place = shape.points[3].double().numpy()
    hit = layer.pick(place - np.array([0, 0, 5.0]), np.array([0, 0, 1.0]))
    assert {"x (file)", "yz"} <= set(hit.values)
    plain = PointsLayer("cloud", shape, feature_names=["yz", "reflectance", "a", "b", "c", "d"])
    save_layer(plain, tmp_path / "scan.ply")
    assert open_shape(tmp_path / "scan.ply").feature_names[:2] == ["yz", "reflectance"]  # as they are in the file


def test_what_goes_wrong_in_the_controls_of_values_and_slices_is_told(viewer, said, monkeypatch):
    mesh, cut = MeshLayer("ball", ball()), SliceLayer("cut", DistanceTo(ball()))
    viewer.add(mesh, cut)

    def bad(*_: Any) -> Any:
        raise InvalidInput("no such thing")

    monkeypatch.setattr(MeshValues, "choice", bad)
    mesh.panel.quantity.value = "height"
    monkeypatch.setattr(SliceLayer, "reach", bad)
    control(viewer, cut, "Across").value = "x"
    monkeypatch.setattr(SliceLayer, "_inside", bad)
    control(viewer, cut, "Isolines").value = 3
    assert said == [("no such thing", True)] * 3


def test_the_controls_of_values_and_slices_see_a_scene_that_stands_still(viewer, monkeypatch):
    mesh, cut = MeshLayer("ball", ball()), SliceLayer("cut", DistanceTo(ball()))
    viewer.add(mesh, cut)
    held: list[bool] = []

    def watch(where: type, name: str) -> None:
        plain = getattr(where, name)

        def watched(*given: Any) -> Any:
            other = threading.Thread(target=attempt)
            other.start()
            other.join()
            return plain(*given)

        monkeypatch.setattr(where, name, watched)

    def attempt() -> None:
        free = viewer.lock.acquire(blocking=False)
        held.append(not free)
        if free:
            viewer.lock.release()

    watch(type(mesh.panel), "_others")
    mesh.panel.quantity.value = "height"
    assert mesh.panel.work.wait(60)
    seen = len(held)
    assert seen
    watch(SliceLayer, "_inside")
    control(viewer, cut, "Position").value = 0.5
    assert cut.work.wait(60)
    assert len(held) > seen
    assert all(held)
