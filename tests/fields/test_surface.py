"""Surfaces from points, as fields and as meshes."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from geokit.backend.spline_ops import keys_of
from geokit.errors import InvalidInput
from geokit.fields import SurfaceField, fit_points, surface_from_points, surface_lattice, surface_mesh
from geokit.fields.surface_points import noise_of, smoothed, without_outliers
from geokit.geometry.metrics import compare_surfaces
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.surface_sampling import sample_surface
from geokit.geometry.topology import topology
from geokit.io.meshes import load_mesh
from tests.reference import spline_surface as reference


def sphere(count=3000, seed=0, noise=0.0, center=(0.0, 0.0, 0.0), dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    normals = normalize(torch.randn(count, 3, generator=g, dtype=torch.float64), dim=1)
    points = normals + noise * torch.randn(count, 3, generator=g, dtype=torch.float64) + torch.tensor(center)
    return PointCloud(points.to(dtype), normals=normals.to(dtype))


def random_field(dtype=torch.float64):
    """Two lattices: a box, and a finer one in the middle of it whose rim is not smooth."""
    g = torch.Generator().manual_seed(0)
    coarse, fine = (torch.cartesian_prod(*(torch.arange(-n, n),) * 3) for n in (4, 4))
    values = [torch.randn(len(c), generator=g, dtype=dtype) for c in (coarse, fine)]
    box = torch.tensor([[-1.4, -1.4, -1.4], [1.4, 1.4, 1.4]], dtype=dtype)
    return SurfaceField(box, 0.5, [keys_of(coarse), keys_of(fine)], values), (coarse, fine), values


def test_values_and_derivatives_are_those_of_the_splines():
    field, cells, values = random_field()
    x = torch.rand(60, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2.6 - 1.3
    fine = (x.abs() < 0.75).all(1)
    assert bool(fine.any())
    expected = torch.where(
        fine,
        reference.spline_field(cells[1], values[1], x / 0.25),
        reference.spline_field(cells[0], values[0], x / 0.5),
    )
    torch.testing.assert_close(field(x)[:, 0], expected)
    x.requires_grad_()
    slopes = torch.autograd.grad(field(x).sum(), x, create_graph=True)[0]
    torch.testing.assert_close(field.gradient(x)[:, 0], slopes)
    trace = sum(torch.autograd.grad(slopes[:, a].sum(), x, retain_graph=True)[0][:, a] for a in range(3))
    torch.testing.assert_close(field.laplacian(x)[:, 0], trace)
    inner = x.detach()[:6].requires_grad_()
    assert torch.autograd.gradcheck(field, inner)
    assert torch.autograd.gradcheck(field.gradient, inner)
    assert field.parameter_count == 2 * 512


def test_outside_of_its_box_a_field_grows_with_the_distance():
    field, _, _ = random_field()
    x = torch.tensor([[9.4, 0.1, 0.2], [0.3, -3.4, 0.0]], dtype=torch.float64)
    edge = x.clamp(-1.4, 1.4)
    torch.testing.assert_close(field(x), field(edge) + torch.tensor([[8.0], [2.0]], dtype=torch.float64))
    x.requires_grad_()
    slopes = torch.autograd.grad(field(x).sum(), x)[0]
    torch.testing.assert_close(field.gradient(x)[:, 0], slopes)
    assert float(slopes[0, 0]) == 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sphere_anywhere_in_space(dtype):
    given = sphere(dtype=dtype)
    for cloud, size, center in (
        (given, 1.0, 0.0),
        (given.replace(normals=None), 1.0, 0.0),
        (given.replace(points=given.points * 100 + 500), 100.0, 500.0),
    ):
        field = fit_points(cloud)
        mesh = field.mesh()
        found = topology(mesh)
        assert mesh.vertices.dtype == dtype
        assert found.watertight
        assert found.manifold
        assert found.euler_characteristic == 2
        assert mesh.volume() / size**3 == pytest.approx(4 * math.pi / 3, rel=2e-3)
        assert float(((mesh.vertices - center).norm(dim=1) / size - 1).abs().max()) < 2e-3
        x = normalize(torch.randn(200, 3, dtype=dtype), dim=1) * (0.97 + 0.06 * torch.rand(200, 1, dtype=dtype))
        found = field(x * size + center)[:, 0] / size
        torch.testing.assert_close(found, x.norm(dim=1) - 1, atol=3e-3, rtol=0)
        assert float(field.gradient(x * size + center).norm(dim=2).sub(1).abs().max()) < 0.08


def test_the_field_is_smooth_across_the_rims_of_its_lattices():
    field = fit_points(sphere(dtype=torch.float64))
    line = torch.linspace(0.2, 1.6, 40001, dtype=torch.float64)
    x = line[:, None] * normalize(torch.tensor([[0.3, 0.5, 0.8]], dtype=torch.float64), dim=1)
    step = float(line[1] - line[0])
    assert float(field(x)[:, 0].diff().abs().max()) < 3 * step
    assert float(field.gradient(x)[:, 0].diff(dim=0).abs().max()) < 60 * step


def test_noise_is_measured_and_averaged_out():
    assert noise_of(sphere(8000, noise=0.02).points) == pytest.approx(0.02, rel=0.15)
    assert noise_of(sphere(8000).points) < 1e-3
    cloud = sphere(8000, noise=0.02)
    radii = {
        name: (c.points.norm(dim=1) - 1).abs()
        for name, c in (("given", cloud), ("smooth", smoothed(cloud, 0.05, 0.45)))
    }
    assert float(radii["smooth"].mean()) < 0.4 * float(radii["given"].mean())
    truth = surface_from_points(sphere(20000))
    for given in (cloud, cloud.replace(normals=None)):
        mesh = surface_from_points(given)
        assert topology(mesh).watertight
        assert compare_surfaces(mesh, truth, 5000).chamfer < 0.006
        assert mesh.volume() == pytest.approx(4 * math.pi / 3, rel=0.01)


def test_an_open_scan_stays_open_and_a_small_hole_is_closed():
    cloud = sphere(8000)
    half = surface_from_points(cloud[cloud.points[:, 2] > 0])
    assert not topology(half).watertight
    assert half.area() == pytest.approx(2 * math.pi, rel=0.12)
    assert float(half.vertices[:, 2].min()) > -0.25
    assert topology(surface_from_points(cloud[cloud.points[:, 2] < 0.997])).watertight


def test_a_plane_becomes_one_sheet():
    g = torch.Generator().manual_seed(0)
    points = torch.rand(2000, 3, generator=g) * torch.tensor([1.0, 1, 0])
    mesh = surface_from_points(PointCloud(points))
    assert float(mesh.vertices[:, 2].abs().max()) < 1e-4
    assert mesh.area() == pytest.approx(1.15, rel=0.1)  # a rim of the radius of 16 neighbours


def test_two_components_duplicates_and_an_outlier():
    pair = [sphere(2000), sphere(2000, 1, center=(3.0, 0.0, 0.0))]
    points = torch.cat([c.points for c in pair])
    normals = torch.cat([c.normals for c in pair])
    mesh = surface_from_points(PointCloud(points, normals=normals))
    assert topology(mesh).components == 2
    assert mesh.volume() == pytest.approx(8 * math.pi / 3, rel=5e-3)
    twice = sphere(2000)
    for times in (2, 30):
        many = PointCloud(twice.points.repeat(times, 1), normals=twice.normals.repeat(times, 1))
        assert surface_from_points(many).volume() == pytest.approx(4 * math.pi / 3, rel=1e-2)
    for normals in (twice.normals, None):
        far = torch.cat([twice.points, torch.tensor([[400.0, 0, 0]])])
        given = None if normals is None else torch.cat([normals, normals[:1]])
        mesh = surface_from_points(PointCloud(far, normals=given))
        assert topology(mesh).components == 1
        assert float(mesh.vertices.abs().max()) < 1.1
    assert without_outliers(far)[0].sum() == 2000


def test_parts_cell_and_trim():
    cloud = sphere(4000)
    field = fit_points(cloud, cell=0.2)
    assert float(field.lattice(field.levels - 1)[0]) == pytest.approx(0.2)
    coarse, fine = field.mesh(parts=1), field.mesh()
    assert len(fine) == pytest.approx(4 * len(coarse), rel=0.1)
    half = fit_points(cloud[cloud.points[:, 2] > 0])
    assert half.mesh(trim=0.3).area() < 0.97 * half.mesh(trim=0).area()


@pytest.mark.parametrize("parts", [1, 2])
def test_a_mesh_is_the_same_made_in_slabs(monkeypatch, parts):
    field = fit_points(sphere(2000))
    assert len(field.coefficients[-1]) < surface_mesh._CELLS
    whole = field.mesh(parts=parts)
    monkeypatch.setattr(surface_mesh, "_CELLS", 100)  # a plane across the first axis is a slab
    slabs = field.mesh(parts=parts)
    assert len(slabs.vertices) == len(whole.vertices)
    torch.testing.assert_close(slabs.vertices[slabs.faces], whole.vertices[whole.faces], atol=1e-6, rtol=0)
    assert topology(slabs).watertight


def test_coarse_functions_are_carried_over_in_chunks(monkeypatch):
    g = torch.Generator().manual_seed(0)
    cells = torch.cartesian_prod(*(torch.arange(-4, 5),) * 3)
    keys, x = keys_of(cells), torch.randn(len(cells), generator=g, dtype=torch.float64)
    finer = torch.cartesian_prod(*(torch.arange(-6, 7),) * 3)
    monkeypatch.setattr(surface_lattice, "_CHUNK", 100)
    found = surface_lattice.prolonged(keys, x, keys_of(finer))
    places = torch.rand(30, 3, generator=g, dtype=torch.float64) * 4 - 2
    expected = reference.spline_field(cells, x, places)
    torch.testing.assert_close(reference.spline_field(finer, found, places * 2), expected)


def test_the_same_for_every_number_of_threads():
    meshes = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        meshes.append(surface_from_points(sphere(1500, noise=0.02)))
    torch.set_num_threads(1)
    assert torch.equal(meshes[0].vertices, meshes[1].vertices)
    assert torch.equal(meshes[0].faces, meshes[1].faces)


def test_what_cannot_be():
    cloud = sphere(100)
    with pytest.raises(InvalidInput, match="at least 10 points, got 9"):
        fit_points(cloud[:9])
    with pytest.raises(InvalidInput, match="not all in one place"):
        fit_points(PointCloud(torch.ones(50, 3)))
    with pytest.raises(InvalidInput, match="not all on one line"):
        fit_points(PointCloud(torch.linspace(0, 1, 50)[:, None] * torch.tensor([[1.0, 2, 3]])))
    with pytest.raises(InvalidInput, match="must be finite"):
        fit_points(PointCloud(torch.full((50, 3), math.nan)))
    with pytest.raises(InvalidInput, match="normals must not be zero"):
        fit_points(cloud.replace(normals=torch.zeros(100, 3)))
    with pytest.raises(InvalidInput, match="cell must be a positive length"):
        fit_points(cloud, cell=-1.0)
    with pytest.raises(InvalidInput, match="cell must be at least"):
        fit_points(cloud, cell=1e-9)
    with pytest.raises(InvalidInput, match="parts must be 1 or 2"):
        fit_points(cloud).mesh(parts=3)
    with pytest.raises(InvalidInput, match="trim must be"):
        fit_points(cloud).mesh(trim=-1)
    few = surface_from_points(sphere(40))
    assert np.isfinite(few.vertices.numpy()).all()


@pytest.mark.data
def test_a_part_with_sharp_edges_is_found_to_a_thousandth(data_folder):
    mesh = load_mesh(data_folder / "meshes" / "fandisk.obj")
    found = compare_surfaces(surface_from_points(sample_surface(mesh, 30_000)), mesh)
    assert found.chamfer < 3e-4 * mesh.extent
    assert found.f_score > 0.999
    assert found.signed_normal_consistency > 0.985
