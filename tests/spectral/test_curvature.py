import torch

from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import euler_characteristic
from geokit.spectral.curvature import angle_defects, gaussian_curvature, mean_curvature, mixed_areas
from geokit.spectral.shape import prepare
from tests.geometry.shapes import grid, sphere, torus


def ball(level: int, radius: float) -> Mesh:
    mesh = sphere(level).to(torch.float64)
    return Mesh(radius * torch.nn.functional.normalize(mesh.vertices, dim=1), mesh.faces)


def cylinder(around: int, along: int, radius: float) -> Mesh:
    """An open cylinder of length one, outward."""
    angle = torch.arange(around, dtype=torch.float64) * 2 * torch.pi / around
    height = torch.linspace(0, 1, along, dtype=torch.float64)
    places = torch.stack((radius * angle.cos(), radius * angle.sin()), dim=1).repeat(along, 1)
    vertices = torch.cat((places, height.repeat_interleave(around)[:, None]), dim=1)
    i = torch.arange(around).repeat(along - 1) + around * torch.arange(along - 1).repeat_interleave(around)
    j = torch.where(i % around == around - 1, i + 1 - around, i + 1)
    return Mesh(vertices, torch.cat((torch.stack((i, j, j + around), 1), torch.stack((i, j + around, i + around), 1))))


def test_a_sphere_has_constant_curvature():
    mesh = ball(4, 2.0)
    assert torch.allclose(mean_curvature(mesh), torch.tensor(0.5).double(), rtol=0.003)
    assert torch.allclose(gaussian_curvature(mesh), torch.tensor(0.25).double(), rtol=0.01)
    assert abs(float(mixed_areas(mesh).sum()) - mesh.area()) < 1e-12


def test_inside_out_the_mean_curvature_changes_its_sign_and_the_other_does_not():
    mesh = ball(3, 1.0)
    other = Mesh(mesh.vertices, mesh.faces.flip(1))
    assert torch.allclose(mean_curvature(other), -mean_curvature(mesh))
    assert torch.allclose(gaussian_curvature(other), gaussian_curvature(mesh))


def test_a_cylinder_bends_one_way():
    mesh = cylinder(120, 40, 0.5)
    rim = (mesh.vertices[:, 2] == 0) | (mesh.vertices[:, 2] == 1)
    assert torch.allclose(mean_curvature(mesh)[~rim], torch.ones(1).double(), rtol=2e-3)
    assert torch.allclose(gaussian_curvature(mesh), torch.zeros(1).double(), atol=1e-9)
    assert bool((mean_curvature(mesh)[rim] == 0).all())


def test_a_torus_has_the_curvature_of_the_book():
    mesh = torus(96, 48)
    major, minor = 2.0, 0.5
    cosine = (mesh.vertices[:, :2].norm(dim=1) - major) / minor
    gaussian = cosine / (minor * (major + minor * cosine))
    mean = (major + 2 * minor * cosine) / (2 * minor * (major + minor * cosine))
    assert float((mean_curvature(mesh) - mean).abs().mean() / mean.abs().mean()) < 0.005
    assert float((gaussian_curvature(mesh) - gaussian).abs().mean() / gaussian.abs().mean()) < 0.01


def test_angle_defects_sum_to_the_euler_characteristic():
    plane = torch.nn.functional.pad(torch.cartesian_prod(torch.arange(6), torch.arange(6)).double(), (0, 1))
    for mesh in (ball(2, 3.0), torus(), Mesh(plane, grid(6, 6)), cylinder(12, 4, 1.0)):
        assert abs(float(angle_defects(mesh).sum()) - 2 * torch.pi * euler_characteristic(mesh)) < 1e-11


def test_smoothing_keeps_the_mean_and_shrinks_the_spread():
    mesh = ball(3, 1.0)
    generator = torch.Generator().manual_seed(0)
    rough = Mesh(mesh.vertices * (1 + 0.01 * torch.randn(len(mesh.vertices), 1, generator=generator)), mesh.faces)
    before, after = mean_curvature(rough), mean_curvature(rough, smooth=4)
    assert float(after.std()) < float(before.std()) / 4
    assert abs(float(after.mean() - before.mean())) < 0.1


def test_a_prepared_shape_is_measured_at_unit_area():
    shape = prepare(ball(3, 7.0), 4)
    radius = (4 * torch.pi) ** -0.5
    assert torch.allclose(mean_curvature(shape), torch.tensor(1 / radius).double(), rtol=0.01)


def test_degenerate_faces_and_lonely_vertices_stay_finite():
    mesh = ball(2, 1.0)
    vertices = torch.cat((mesh.vertices, torch.tensor([[5.0, 5, 5]]).double()))
    bad = Mesh(vertices, torch.cat((mesh.faces, torch.tensor([[0, 0, 1]]))))
    for values in (mean_curvature(bad), gaussian_curvature(bad, smooth=2)):
        assert bool(torch.isfinite(values).all())
        assert float(values[-1]) == 0


def test_mean_curvature_passes_gradcheck():
    mesh = ball(1, 1.0)
    assert torch.autograd.gradcheck(
        lambda v: mean_curvature(Mesh(v, mesh.faces)), (mesh.vertices.requires_grad_(),), fast_mode=True
    )
