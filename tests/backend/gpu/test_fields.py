"""Fields moved to a GPU by `.to(device)`, and nothing else changed: no tensor stays behind on the CPU."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from geokit.fields import radial_fit
from geokit.fields.distance_solid import Solid
from geokit.fields.encodings import Coordinates, FourierFeatures
from geokit.fields.evolution import evolve
from geokit.fields.field import Field
from geokit.fields.fit_network import fit_network, image_samples, squared_error
from geokit.fields.fit_sdf import fit_sdf
from geokit.fields.fourier import FourierField
from geokit.fields.gaussian_field import GaussianField
from geokit.fields.grid_field import GridField
from geokit.fields.hybrid import HybridField
from geokit.fields.images import fit_image
from geokit.fields.initialise import image_weights, kernels_from_samples
from geokit.fields.perceptron import Perceptron
from geokit.fields.radial import RadialEncoding, RadialField
from geokit.fields.resolutions import adaptive_resolutions
from geokit.fields.simplex_fourier import simplex_contents
from geokit.fields.simplex_raster import simplex_raster
from geokit.fields.siren import SirenField
from geokit.fields.storage import save_field
from geokit.fields.surface_fit import fit_points
from geokit.fields.trained_images import MODELS, train_image
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from tests.reference.devices import assert_serves_both, emulated_gpu
from tests.reference.pretend_gpu import GPU

BOX = torch.tensor([[0.0, 0.0], [12.0, 9.0]])


@pytest.fixture(autouse=True)
def on_the_gpu():
    with emulated_gpu():
        yield


def picture(channels=3):
    return torch.rand(9, 12, channels, generator=torch.Generator().manual_seed(1))


def kernels(features=3, **options):
    points, image = image_samples(picture())[0], picture()
    return kernels_from_samples(points, image_weights(image).flatten(), 15, features, **options)


def box_mesh():
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    sides = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    return Mesh(corners, torch.tensor([[s[0], s[k], s[k + 1]] for s in sides for k in (1, 2)]))


def sphere_cloud():
    """Of radius 3, with normals."""
    normals = torch.nn.functional.normalize(picture(60).reshape(-1, 3) - 0.5, dim=1)[:300]
    return PointCloud(normals * 3, normals=normals)


def gabor():
    return RadialField(BOX, kernels(kernel="gabor"))


def mixed():
    encodings = [RadialEncoding(kernels(4), normalised=True), Coordinates(BOX), FourierFeatures(BOX, 3)]
    return HybridField(BOX, encodings, Perceptron(4 + 2 + 6, 2, 8, activation="silu"))


FIELDS = {
    "radial": lambda: RadialField(BOX, kernels()),
    "radial, normalised": lambda: RadialField(BOX, kernels(kernel="markov"), normalised=True),
    "gabor": gabor,
    "gaussians": lambda: GaussianField(BOX, 7, "float32"),
    "grid": lambda: GridField(BOX, 2, [[3, 2], [12, 9]], 40, basis="spline", activation="silu"),
    "hybrid": mixed,
    "sines": lambda: SirenField(BOX, 1, 8, 2),
    "image": lambda: fit_image(picture(), 400),
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_that_move(name):
    field = FIELDS[name]()
    x = BOX[1] * torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = field(x), field.gradient(x), field.laplacian(x), field.raster(5, 4)
        moved, x = field.to(GPU), x.to(GPU)
        found = moved(x), moved.gradient(x), moved.laplacian(x), moved.raster(5, 4)
    for have, want in zip(found, expected):
        assert have.is_cuda
        torch.testing.assert_close(have.cpu(), want, rtol=1e-3, atol=1e-4)
    parameters = [p for p in moved.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(moved(x).square().sum(), parameters, allow_unused=True)
    assert all(g is None or g.is_cuda for g in gradients)


@pytest.mark.parametrize("name", ["radial", "grid", "hybrid", "sines"])
def test_networks_that_are_trained(name):
    field = FIELDS[name]().to(GPU)
    signal = picture(field.channels).to(GPU)
    points, values = image_samples(signal)
    before = squared_error(field, points, values)
    fit_network(field, signal, steps=6, batch=64)
    fit_network(field, (points, values), steps=6, batch=64, stratified=False)
    assert squared_error(field, points, values) < before


def test_radial_fields_that_are_fitted(monkeypatch):
    ticks = itertools.count()  # the time of one of few steps, however slow the machine
    monkeypatch.setattr(radial_fit, "time", SimpleNamespace(process_time=lambda: 0.1 * next(ticks)))
    image = picture().to(GPU)
    points, values = image_samples(image)
    made = kernels_from_samples(points, image_weights(image).flatten(), 15, 3)
    field = RadialField(BOX.to(GPU), made)
    found = radial_fit.features_by_least_squares(field, points, values, values[:, :, None].expand(-1, -1, 2) * 0)
    assert found.residual < 1
    assert len(radial_fit.fit_radial(field, points, values, cpu_seconds=1.0)) > 3
    assert all(p.is_cuda for p in field.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_images_that_are_learnt(model):
    field = train_image(picture().to(GPU), model, 3000, cpu_seconds=0.5)
    assert field.raster(9, 12).is_cuda


def test_fields_that_are_made_on_the_gpu():
    for field in (GaussianField(BOX.to(GPU), 3, "float32"), FourierField(BOX.to(GPU), 1, 4, 8.0, 8)):
        assert field(torch.rand(5, 2).to(GPU)).is_cuda


@pytest.mark.parametrize("bits", [None, 12])
@pytest.mark.parametrize("name", [name for name in FIELDS if name != "hybrid"])
def test_files_of_fields_on_the_gpu(name, bits, tmp_path):
    field = FIELDS[name]()
    save_field(tmp_path / "here.field", field, bits)
    save_field(tmp_path / "there.field", field.to(GPU), bits)
    assert (tmp_path / "here.field").read_bytes() == (tmp_path / "there.field").read_bytes()


@pytest.mark.parametrize("limit", [{}, {"budget": 400}, {"size": 1000}])
def test_images_that_are_on_the_gpu(limit):
    field = fit_image(picture().to(GPU), **limit)
    assert field.raster(9, 12).is_cuda


def open_box():
    return Mesh(box_mesh().vertices, box_mesh().faces[2:])


def evolved(shape, velocity="mean curvature"):
    """A shape of two or three dimensions: its field, halfway."""
    corners = torch.tensor([[-0.5] * 3, [1.5] * 3])[:, : shape.dimension if isinstance(shape, Field) else 3]
    field = evolve(shape, velocity, 0.02, corners.tolist(), 8)
    return field.at((corners / 3).to(field.bounds), 0.01)


def contents(points, faces):
    return simplex_contents(points, faces), simplex_raster(points / 12, faces, sizes=8)


FUNCTIONS = {
    "solid": (lambda m: Solid.of(m, True, 0.1).distances(m.vertices * 0.9 + 0.2), open_box()),
    "curvature": (evolved, GaussianField(BOX / 12, 7, "float64")),
    "curvature of a mesh": (evolved, box_mesh()),
    "flow": (lambda f: evolved(f, lambda x, t: x.flip(1) * t[:, None]), GaussianField(BOX / 12, 7, "float64")),
    "simplices": (contents, picture()[:, :, :2].reshape(-1, 2).double(), torch.arange(30).reshape(10, 3)),
    "points": (lambda c: fit_points(c)(c.points + 0.01), sphere_cloud()),
    "resolutions": (lambda i: torch.tensor(adaptive_resolutions(i, 2, 50, 2, candidates=4)), picture()),
}
STAYS = {"resolutions"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_what_is_on_the_gpu(name):
    assert_serves_both(*FUNCTIONS[name], stays=name in STAYS, tolerance=1e-3)


def test_distances_to_a_mesh_on_the_gpu():
    mesh = box_mesh()
    field = fit_sdf(Mesh(mesh.vertices.to(GPU), mesh.faces.to(GPU)), 3000)
    x = torch.tensor([[0.5, 0.5, 0.5], [0.9, 0.5, 0.5], [1.1, 0.5, 0.5]]).to(GPU)
    found = field(x)
    torch.testing.assert_close(found.cpu()[:, 0], torch.tensor([-0.5, -0.1, 0.1]), rtol=0, atol=0.05)
    assert field.gradient(x).is_cuda
    assert len(field.mesh(16)) > 0
