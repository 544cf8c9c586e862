"""The numbers on a mesh are those that geokit computes; the panel shows what its controls say."""

import threading

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer import values as quantities
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.values import ALONG, APART, PAIRS, DistanceTo, MeshValues, Other

from geokit.errors import InvalidInput
from geokit.geometry import Mesh, PointCloud, signed_distance
from geokit.pipelines.colormap import diverging
from geokit.spectral import (
    eigenbasis,
    gaussian_curvature,
    geodesic_distances,
    heat_kernel_signature,
    mean_curvature,
    wave_kernel_signature,
)
from geokit.spectral.descriptors import heat_times, wave_energies
from geokit.spectral.laplacian import laplacian
from geokit.spectral.principal import principal_curvatures
from tests.viewer.shapes import ball, bean

PATIENCE = 60.0


@pytest.fixture
def viewer():
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as made:
        yield made


@pytest.fixture(scope="module")
def basis():
    return eigenbasis(laplacian(bean()), PAIRS)


def close(found: np.ndarray, wanted: torch.Tensor, rtol: float = 1e-6) -> None:
    np.testing.assert_allclose(found, wanted.numpy(), rtol=rtol, atol=1e-6 * float(wanted.abs().max()))


def test_eigenfunctions_are_those_of_the_robust_laplacian(basis):
    values = MeshValues(bean())
    for number in (0, 1, 7, 30):
        found = values.compute("eigenfunction", number)
        np.testing.assert_allclose(found.numbers, basis.eigenvectors[:, number].numpy(), atol=1e-6)
        assert found.signed
        if number:  # the first eigenvalue is zero but for rounding
            assert f"eigenvalue {float(basis.eigenvalues[number]):.4g}" in found.title


def test_signatures_are_those_of_their_times_and_energies(basis):
    values = MeshValues(bean())
    heat = heat_kernel_signature(basis, times=heat_times(basis, 100)[20:21])[:, 0]
    close(values.compute("heat kernel signature", 20).numbers, heat)
    energies, width = wave_energies(basis, 100)
    wave = wave_kernel_signature(basis, energies=energies[64:65], width=width)[:, 0]
    close(values.compute("wave kernel signature", 64).numbers, wave)


def test_curvatures_heights_and_distances_are_those_of_geokit():
    mesh = bean()
    values = MeshValues(mesh, up=(0, 1, 0))
    close(values.compute("mean curvature", 3).numbers, mean_curvature(mesh, 3))
    close(values.compute("Gaussian curvature", 0).numbers, gaussian_curvature(mesh))
    close(values.compute("smallest curvature").numbers, principal_curvatures(mesh).values[:, 1])
    close(values.compute("shape index").numbers, principal_curvatures(mesh).shape_index)
    close(values.compute("height").numbers, mesh.vertices[:, 1])
    close(values.compute(ALONG, sources=(5, 40)).numbers, geodesic_distances(mesh, [5, 40]))
    other = ball(0.5, center=(0.2, 0, 0))
    found = values.compute(APART, other=Other("other", other))
    assert found.signed
    close(found.numbers, signed_distance(other, mesh.vertices))
    assert set(values.known) >= {"height", ALONG, APART}


def test_distances_to_open_meshes_and_points_have_no_sign():
    half = ball()
    half = half.replace(faces=half.faces[half.corners.mean(1)[:, 2] > 0])
    for shape in (half, PointCloud(ball().vertices)):
        distances = DistanceTo(shape)
        assert not distances.signed
        assert float(distances(torch.zeros(1, 3, dtype=torch.float64))[0]) == pytest.approx(1, abs=0.03)
    with pytest.raises(InvalidInput, match="nothing to measure distances to"):
        DistanceTo(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)))


def test_bad_meshes_are_robust_or_refused_in_a_sentence():
    mesh = ball(subdivisions=1)
    doubled = Mesh(torch.cat([mesh.vertices, mesh.vertices[:5]]), torch.cat([mesh.faces, mesh.faces[:3]]))
    found = MeshValues(doubled).compute("eigenfunction", 2)
    assert np.isfinite(found.numbers).all()
    np.testing.assert_allclose(found.numbers[-5:], found.numbers[:5])
    tiny = MeshValues(ball(subdivisions=0))
    assert tiny.choice("eigenfunction").last == 11
    with pytest.raises(InvalidInput, match="no eigenfunction 50: the mesh has 12"):
        tiny.compute("eigenfunction", 50)
    with pytest.raises(InvalidInput, match="no faces"):
        MeshValues(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64))).compute("height")
    with pytest.raises(InvalidInput, match="with an area"):
        MeshValues(Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))).compute("eigenfunction", 0)
    with pytest.raises(InvalidInput, match="no 'weight' of a mesh"):
        tiny.compute("weight")
    with pytest.raises(InvalidInput, match="click on the mesh"):
        tiny.compute(ALONG)


def shown(viewer: Viewer, mesh: Mesh, **more) -> MeshLayer:
    layer = MeshLayer("bean", mesh, **more)
    viewer.add(layer)
    return layer


def choose(layer: MeshLayer, **controls) -> None:
    """Set controls as a user does, one after the other, and wait until all is shown."""
    for name, value in controls.items():
        getattr(layer.panel, name).value = value
        assert layer.panel.work.wait(PATIENCE)


def test_the_panel_paints_and_its_controls_appear_when_they_mean_something(viewer, basis):
    layer = shown(viewer, bean())
    assert layer.legend() is None
    assert not layer.panel.number.visible
    choose(layer, quantity="eigenfunction", number=4)
    legend = layer.legend()
    assert "eigenfunction 4" in legend.title
    assert legend.low == -legend.high
    numbers = basis.eigenvectors[:, 4].numpy()
    assert legend.high == pytest.approx(max(np.abs(np.quantile(numbers, (0.01, 0.99)))), rel=1e-6)
    place = (layer.known["eigenfunction"] - legend.low) / (legend.high - legend.low)
    wanted = diverging(torch.from_numpy(place.round(12)))
    assert np.abs(layer.shown().colors.numpy() - wanted.numpy()).max() < 0.01  # steps of a colour map of 256
    assert layer.panel.number.visible
    assert layer.panel.number.label == "Number"
    assert layer.panel.colormap.value == "blue-red"
    assert layer.panel.range.value == "around zero"
    assert not layer.panel.hint.visible
    assert not layer.panel.low.visible
    choose(layer, quantity="none")
    assert layer.legend() is None
    assert not viewer.parts["Legends"].shown.visible


def test_the_range_is_automatic_around_zero_or_given_by_hand(viewer):
    layer = shown(viewer, bean())
    choose(layer, quantity="height")
    heights = layer.known["height"]
    low, high = np.quantile(heights, (0.01, 0.99))
    assert (layer.legend().low, layer.legend().high) == (pytest.approx(low), pytest.approx(high))
    assert layer.panel.low.value == pytest.approx(low)
    choose(layer, range="by hand", low=-0.25)
    assert (layer.legend().low, layer.legend().high) == (-0.25, pytest.approx(high))
    choose(layer, low=2.0)  # above the other end: they change places
    assert (layer.legend().low, layer.legend().high) == (pytest.approx(high), 2.0)
    choose(layer, range="around zero", colormap="inferno")
    assert layer.legend().low == -layer.legend().high
    np.testing.assert_allclose(layer.legend().colors[0], (0.001, 0, 0.014), atol=1e-6)


def test_what_does_not_work_becomes_a_sentence_and_the_picture_stays(viewer, monkeypatch):
    said = []
    monkeypatch.setattr(viewer, "notify", lambda client, text, bad=False: said.append((text, bad)))
    layer = shown(viewer, bean())
    choose(layer, quantity="height")
    layer.panel.arrows.value = "gradient"
    assert layer.panel.work.wait(PATIENCE)
    legend = layer.legend()
    monkeypatch.setattr(MeshValues, "basis", property(lambda self: (_ for _ in ()).throw(InvalidInput("no basis"))))
    choose(layer, quantity="eigenfunction")
    assert said == [("no basis", True)]
    assert layer.panel.quantity.value == "height"
    assert layer.legend() is legend


def test_attributes_of_the_file_can_be_shown(viewer, tmp_path):
    from geokit.viewer.content import layers_of

    path = tmp_path / "scan.ply"
    corners = "0 0 0 1.5\n1 0 0 -2\n0 1 0 3\n0 0 1 4\n"
    header = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    header += "property float quality\nelement face 4\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_text(header + corners + "3 0 2 1\n3 0 1 3\n3 1 2 3\n3 0 3 2\n")
    (layer,) = layers_of(path)
    viewer.add(layer)
    choose(layer, quantity="quality")
    np.testing.assert_allclose(layer.known["quality"], [1.5, -2, 3, 4])
    assert layer.legend().title == "quality"


def hit_of(layer: MeshLayer, vertex: int):
    place = layer.place_of(vertex)
    outwards = place / np.linalg.norm(place)
    return layer.pick(place + 5 * outwards + 1e-3, -outwards)


def test_a_pick_sets_the_source_of_distances_and_tells_the_values_there(viewer):
    layer = shown(viewer, bean())
    choose(layer, quantity="height")
    choose(layer, quantity=ALONG)
    assert layer.panel.hint.visible
    assert layer.panel.several.visible
    pick = hit_of(layer, 100)
    vertex = layer.nearest_vertex(pick)
    for callback in viewer._picked:
        callback(pick, None)
    assert layer.panel.work.wait(PATIENCE)
    close(layer.known[ALONG], geodesic_distances(bean(), [vertex]))
    told = layer.told(pick)
    assert told["vertex"] == f"{vertex:,}"
    assert float(told[ALONG]) == 0
    assert float(told["height"]) == pytest.approx(float(bean().vertices[vertex, 2]), rel=1e-5)
    table = viewer.parts["Picked"].table.content
    assert ALONG in table
    assert told["height"] in table
    choose(layer, several=True)
    layer.panel.picked(7)
    assert layer.panel.work.wait(PATIENCE)
    close(layer.known[ALONG], geodesic_distances(bean(), [vertex, 7]))
    viewer.show(layer, False)
    assert viewer.parts["Picked"]._marker is None


def test_distances_follow_the_other_layer(viewer):
    layer = shown(viewer, bean())
    assert APART not in layer.panel.quantity.options
    cloud = PointsLayer("cloud", PointCloud(ball(2.0).vertices))
    viewer.add(cloud)
    choose(layer, quantity=APART)
    before = layer.known[APART].mean()
    viewer.edit({cloud: PointCloud(ball(4.0).vertices)}, "grew")
    assert layer.panel.work.wait(PATIENCE)
    assert layer.known[APART].mean() > before + 1
    viewer.remove("cloud")
    assert layer.panel.work.wait(PATIENCE)
    assert layer.panel.quantity.value == "none"
    assert layer.legend() is None


def test_an_edited_mesh_is_painted_anew_and_undo_brings_the_old_picture(viewer):
    layer = shown(viewer, bean())
    choose(layer, quantity="eigenfunction", lines=5)
    colors = layer.shown().colors.clone()
    viewer.edit({layer: layer.kept(layer.elements()[:, 0] > 0)}, "cut")
    assert layer.panel.work.wait(PATIENCE)
    assert len(layer.shown().colors) == len(layer.shape.vertices) < len(colors)
    assert len(layer.known["eigenfunction"]) == len(layer.shape.vertices)
    viewer.undo()
    assert layer.panel.work.wait(PATIENCE)
    torch.testing.assert_close(layer.shown().colors, colors)


def test_colours_and_lines_survive_hiding(viewer):
    layer = shown(viewer, bean())
    choose(layer, quantity="height", lines=6, arrows="normals")
    colors, drawn = layer.shown().colors.clone(), len(layer.drawables())
    viewer.show(layer, False)
    assert all(not node.visible for node in layer._nodes)
    assert viewer.parts["Legends"].shown.visible is False
    viewer.show(layer, True)
    assert all(node.visible for node in layer._nodes)
    assert len(layer._nodes) == 3
    torch.testing.assert_close(layer.shown().colors, colors)
    assert len(layer.drawables()) == drawn == 3
    assert "height" in viewer.parts["Legends"].shown.content


def test_a_slider_that_is_dragged_makes_no_queue(viewer, monkeypatch):
    layer = shown(viewer, bean())
    choose(layer, quantity="height")
    asked, gate = [], threading.Event()
    plain = MeshValues.eigenfunction

    def slow(self, number):
        asked.append(number)
        assert gate.wait(PATIENCE)
        return plain(self, number)

    monkeypatch.setitem(quantities._QUANTITIES, "eigenfunction", slow)
    layer.panel.quantity.value = "eigenfunction"
    for number in range(2, 40):
        layer.panel.number.value = number
    with viewer.lock:  # others work in the meantime
        assert layer.legend().title == "height"
    gate.set()
    assert layer.panel.work.wait(PATIENCE)
    assert len(asked) <= 3
    assert asked[-1] == 39
    assert "eigenfunction 39" in layer.legend().title
