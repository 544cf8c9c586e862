"""Layers come, go, are edited and picked; the page shows what geokit renders."""

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer, show
from geokit.viewer.layers.mesh import MeshLayer

from geokit.errors import InvalidInput
from geokit.geometry import Mesh, PointCloud
from geokit.geometry.render_mesh import render_mesh
from tests.viewer.browser import picture, ssim


def sphere(center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    import trimesh

    made = trimesh.creation.icosphere(3)
    return Mesh(torch.tensor(made.vertices) + torch.tensor(center), torch.tensor(made.faces.astype(np.int64)))


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


def test_layers_have_names_of_their_own_and_can_be_removed(viewer):
    viewer.add(MeshLayer("ball", sphere()), MeshLayer("ball", sphere((3.0, 0, 0))))
    assert list(viewer.layers) == ["ball", "ball_2"]
    viewer.remove("ball")
    assert list(viewer.layers) == ["ball_2"]
    with pytest.raises(InvalidInput, match="no layer 'ball'"):
        viewer.remove("ball")


def test_edits_are_undone_in_order(viewer):
    layer = MeshLayer("ball", sphere())
    viewer.add(layer)
    whole = layer.shape
    top = layer.elements()[:, 2] > 0
    viewer.edit({layer: layer.kept(top)}, "kept the top")
    viewer.edit({layer: layer.kept(layer.elements()[:, 0] > 0)}, "kept a quarter")
    assert len(layer.shape) < int(top.sum()) < len(whole)
    assert viewer.undo() == "kept a quarter"
    assert len(layer.shape) == int(top.sum())
    assert viewer.undo() == "kept the top"
    assert layer.shape is whole
    assert viewer.undo() is None


def test_a_ray_finds_the_face_that_is_nearest(viewer):
    near, far = MeshLayer("near", sphere((0, 0, 4.0))), MeshLayer("far", sphere())
    viewer.add(near, far)
    hit = near.pick(np.array([0.0, 0.0, 10.0]), np.array([0.0, 0.0, -1.0]))
    assert hit is not None
    assert hit.distance == pytest.approx(5, abs=1e-2)
    assert far.pick(np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.0, -1.0])) is None


def test_what_cannot_be_shown_is_refused_before_anything_is_served():
    with pytest.raises(InvalidInput, match="a complex cannot be shown"):
        show(1j, port=0)


def test_points_far_from_the_origin_keep_their_distances(viewer):
    places = torch.rand(100, 3, dtype=torch.float64) + torch.tensor([600_000.0, 5_000_000.0, 100.0])
    (layer,) = viewer_layers(PointCloud(places))
    viewer.add(layer)
    shown = viewer.frame.to_world(layer._nodes[0].points)
    assert np.abs(shown - places.numpy()).max() < 1e-5


def viewer_layers(thing):
    from geokit.viewer.content import layers_of

    return layers_of(thing)


def test_the_browser_shows_the_mesh_that_geokit_renders(viewer, opened):
    viewer.add(MeshLayer("ball", sphere()))
    with opened(viewer) as (_page, client):
        seen = picture(client)
        camera = viewer.camera_of(client, 640, 480)
    wanted = render_mesh(viewer.layers["ball"].shape, camera)
    covered = (np.abs(seen - 1).max(-1) > 0.05).mean()
    assert covered == pytest.approx(float(wanted.alpha.mean()), abs=0.01)
    assert ssim(seen, wanted.image.float().numpy()) > 0.9


def test_showing_and_hiding_moves_the_switch_in_the_panel(viewer):
    layer = MeshLayer("ball", sphere())
    viewer.add(layer)
    viewer.show(layer, False)
    assert not layer.visible
    assert not viewer._switches["ball"].value
    viewer.show(layer)
    assert layer.visible
    assert viewer._switches["ball"].value
