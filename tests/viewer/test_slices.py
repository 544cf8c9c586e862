"""Fields open as what they are: pictures, surfaces, and slices that show the field's own values."""

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.content import layers_of
from geokit.viewer.drawables import Segments, Triangles
from geokit.viewer.layers.image import ImageLayer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.slice import SliceLayer
from geokit.viewer.values import DistanceTo

from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields.distance_field import DistanceField
from geokit.fields.fit_sdf import fit_sdf
from geokit.fields.grid_field import GridField
from geokit.fields.images import fit_image
from geokit.fields.storage import save_field
from geokit.fields.surface_fit import fit_points
from geokit.geometry import Mesh, PointCloud, signed_distance
from tests.viewer.shapes import ball, bean


@pytest.fixture(scope="module")
def distances():
    return fit_sdf(ball(), 8_000)


@pytest.fixture(scope="module")
def image():
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 64), indexing="ij")
    return torch.stack([x, y, 0.5 * (x * y + 0.3)], -1)


@pytest.fixture
def viewer():
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as made:
        yield made


def test_a_distance_field_opens_as_its_surface_and_a_slice(viewer, distances, tmp_path):
    path = tmp_path / "ball.field"
    save_field(path, distances)
    mesh, cut = layers_of(path)
    assert isinstance(mesh, MeshLayer)
    assert isinstance(cut, SliceLayer)
    assert cut.name == "ball slice"
    assert float((mesh.shape.vertices.norm(dim=1) - 1).abs().max()) < 0.02
    viewer.add(mesh, cut)
    assert "distance at z = 0" in viewer.parts["Legends"].shown.content


def test_a_slice_shows_the_fields_values_at_its_places(distances):
    cut = SliceLayer("cut", distances)
    cut.move(0, 0.3)
    places = torch.from_numpy(cut.places())
    assert torch.all(places[..., 0] == 0.3)
    with torch.no_grad():
        wanted = distances.values(places.reshape(-1, 3))[:, 0].reshape(places.shape[:2])
    np.testing.assert_allclose(cut.grid(), wanted.numpy(), atol=1e-6)
    legend = cut.legend()
    assert legend.low == -legend.high
    assert legend.title == "distance at x = 0.3"
    inside = cut.grid() < -0.2
    colors = cut.picture()
    assert (colors[inside][:, 2] > colors[inside][:, 0]).all()  # blue inside
    outside = cut.grid() > 0.2
    assert (colors[outside][:, 0] > colors[outside][:, 2]).all()


def test_the_zero_line_is_the_outline_of_the_surface_and_lines_lie_on_their_levels(distances):
    cut = SliceLayer("cut", distances)
    cut.move(2, 0.5)
    lines = cut.segments()
    zero = lines["zero"].ends.reshape(-1, 3)
    np.testing.assert_allclose(np.linalg.norm(zero[:, :2], axis=1), np.sqrt(0.75), atol=0.02)
    legend, flat = cut.legend(), lines["lines"].ends.reshape(-1, 3)
    step = (legend.high - legend.low) / (cut.lines + 1)
    found = cut.values(np.column_stack([flat[:, :2], np.full(len(flat), 0.5)])) / step
    assert np.abs(found - found.round()).max() < 0.05  # of the way to the next line
    assert set(np.abs(found.round()).astype(int)) >= {1, 2, 3}
    assert 0 not in found.round()
    cut.lines = 0
    assert set(cut.segments()) == {"zero"}


def test_the_plane_lies_where_the_slider_says(viewer, distances):
    cut = SliceLayer("cut", distances)
    viewer.add(cut)
    corners = cut.corners()
    assert len(np.unique(corners[:, 2])) == 1
    np.testing.assert_allclose(corners[[0, 2]][:, :2], cut.box[:, :2])
    low, high = cut.reach(1)
    assert cut.box[0, 1] <= low < high <= cut.box[1, 1]
    cut.move(1, 1e9)
    assert cut.position == cut.box[1, 1]
    drawn = cut.drawables()
    assert isinstance(drawn[0], Triangles)
    assert drawn[0].texture is not None
    assert drawn[0].shading == "unlit"
    assert all(isinstance(some, Segments) for some in drawn[1:])
    node = cut._nodes[0]
    shown = viewer.frame.to_world(np.asarray(node.position))
    np.testing.assert_allclose(shown[2], corners[0, 2], atol=1e-6)


def test_a_click_tells_the_value_there(distances):
    cut = SliceLayer("cut", distances)
    cut.move(2, 0.1)
    hit = cut.pick(np.array([0.3, 0.2, 5.0]), np.array([0.0, 0.0, -1.0]))
    np.testing.assert_allclose(hit.point, [0.3, 0.2, 0.1])
    assert hit.distance == pytest.approx(4.9)
    wanted = float(distances(torch.tensor([0.3, 0.2, 0.1], dtype=torch.float64)))
    assert float(hit.values["distance"]) == pytest.approx(wanted, abs=1e-5)
    assert cut.pick(np.array([9.0, 0.2, 5.0]), np.array([0.0, 0.0, -1.0])) is None
    assert cut.pick(np.array([0.3, 0.2, 5.0]), np.array([0.0, 0.0, 1.0])) is None
    assert cut.pick(np.array([0.3, 0.2, 5.0]), np.array([1.0, 0.0, 0.0])) is None


def test_a_slice_of_a_mesh_shows_its_signed_distances():
    mesh = bean()
    cut = SliceLayer("cut", DistanceTo(mesh))
    places = torch.from_numpy(cut.places())
    wanted = signed_distance(mesh, places.reshape(-1, 3)).reshape(places.shape[:2])
    np.testing.assert_allclose(cut.grid(), wanted.numpy(), atol=1e-12)
    half = mesh.replace(faces=mesh.faces[mesh.corners.mean(1)[:, 2] > 0])
    open_cut = SliceLayer("cut", DistanceTo(half))
    assert open_cut.grid().min() >= 0
    assert open_cut.legend().low >= 0
    assert set(open_cut.segments()) == {"lines"}


@pytest.mark.parametrize("where", [0.0, 7.0, -1e7])
def test_around_a_shape_without_an_extent_there_is_a_slice_too(viewer, where):
    places = torch.full((3, 3), where, dtype=torch.float64)
    for shape in (Mesh(places, torch.tensor([[0, 1, 2]])), PointCloud(places)):
        cut = SliceLayer("cut", DistanceTo(shape))
        viewer.add(cut)
        wanted = np.linalg.norm(cut.places() - where, axis=-1)
        np.testing.assert_allclose(cut.grid(), wanted, rtol=1e-5)
        low, high = cut.reach(0)
        assert low < where < high


def test_an_image_field_opens_as_a_picture(viewer, image, tmp_path):
    path = tmp_path / "photo.field"
    save_field(path, fit_image(image))
    (layer,) = layers_of(path)
    assert isinstance(layer, ImageLayer)
    viewer.add(layer)
    np.testing.assert_allclose(layer.picture(), image.numpy(), atol=1e-3)
    assert layer.legend() is None
    np.testing.assert_allclose(layer.bounds(), [[0, 0, 0], [64, 0, 48]])
    layer.channel = 1
    legend = layer.legend()
    assert legend.title == "channel 1"
    assert legend.high == pytest.approx(1, abs=1e-3)
    hit = layer.pick(np.array([10.5, -30.0, 48 - 20.5]), np.array([0.0, 1.0, 0.0]))
    assert hit.values["pixel"] == "10, 20"
    assert float(hit.values["channel 0"]) == pytest.approx(float(image[20, 10, 0]), abs=1e-3)


def test_a_field_of_two_channels_is_shown_as_numbers(image):
    (layer,) = layers_of(fit_image(image[..., :2]))
    assert layer.channel == 0
    assert layer.legend().title == "channel 0"
    grey = layers_of(fit_image(image[..., 0]))[0]
    assert grey.picture().shape == (48, 64, 3)
    assert grey.legend() is None


def test_a_surface_of_points_opens_as_a_mesh(tmp_path):
    mesh = ball(subdivisions=4)
    path = tmp_path / "points.field"
    save_field(path, fit_points(PointCloud(mesh.vertices.float(), normals=mesh.vertices.float())))
    (layer,) = layers_of(path)
    assert isinstance(layer, MeshLayer)
    assert float((layer.shape.vertices.norm(dim=1) - 1).abs().mean()) < 0.01


def test_what_cannot_be_shown_or_read_is_refused_in_a_sentence(tmp_path):
    broken = tmp_path / "broken.field"
    broken.write_bytes(b"no field at all")
    with pytest.raises(UnreadableFile, match=r"broken\.field"):
        layers_of(broken)
    colors = GridField(torch.tensor([[0.0, 0, 0], [1, 1, 1]]), 3, [[4, 4, 4]])
    with pytest.raises(InvalidInput, match="3 channels in 3 dimensions"):
        layers_of(colors)
    with pytest.raises(InvalidInput, match="field of a plane"):
        ImageLayer("x", colors)


def test_a_field_without_a_sign_or_of_one_value_is_a_slice_only(viewer):
    (cut,) = layers_of(DistanceField(torch.tensor([[0.0, 0, 0], [1, 1, 1]]), 0.5, signed=False))
    viewer.add(cut)
    assert (cut.legend().low, cut.legend().high) == (0, 0)
    assert cut.segments() == {}
    assert "geokit-legend" in viewer.parts["Legends"].shown.content
