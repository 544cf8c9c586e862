"""Surfaces from points."""

import pytest
import torch
from torch.nn.functional import normalize

from geokit.errors import InvalidInput
from geokit.geometry.metrics import compare_surfaces
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.poisson import poisson_surface
from geokit.geometry.smoothing import project_to_cloud, smooth_points
from geokit.geometry.topology import topology


@pytest.fixture(scope="module", autouse=True)
def needs_open3d():
    from geokit.backend.optional import open3d
    from geokit.errors import MissingDependency

    try:
        open3d("these tests")
    except MissingDependency as error:
        pytest.skip(str(error))


def sphere(count=1500, seed=0, noise=0.0):
    g = torch.Generator().manual_seed(seed)
    normals = normalize(torch.randn(count, 3, generator=g), dim=1)
    return PointCloud(normals + noise * torch.randn(count, 3, generator=g), normals=normals)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sphere_with_and_without_normals_anywhere_in_space(dtype):
    cloud = sphere()
    for given in (cloud, cloud.replace(normals=None), cloud.replace(points=cloud.points * 1000 + 5000)):
        mesh = poisson_surface(given.to(dtype), depth=6)
        size = 1000.0 if float(given.points.abs().max()) > 10 else 1.0
        assert mesh.vertices.dtype == dtype
        found = topology(mesh)
        assert found.watertight
        assert found.components == 1
        assert mesh.volume() / size**3 == pytest.approx(4.18879, rel=0.01)
        center = 5000 if size > 1 else 0
        radii = (mesh.vertices.double() - center).norm(dim=1) / size
        assert float((radii - 1).abs().max()) < 0.01


def test_the_same_for_every_number_of_threads():
    meshes = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        meshes.append(poisson_surface(sphere(800)))
    torch.set_num_threads(1)
    assert torch.equal(meshes[0].vertices, meshes[1].vertices)
    assert torch.equal(meshes[0].faces, meshes[1].faces)


def test_what_was_not_seen_is_cut_away_unless_asked():
    cloud = sphere(8000)
    half = cloud[cloud.points[:, 2] > 0]
    open_mesh, whole = poisson_surface(half, depth=5), poisson_surface(half, depth=5, trim=0)
    assert not topology(open_mesh).watertight
    assert whole.area() > 1.1 * open_mesh.area()
    assert open_mesh.area() == pytest.approx(2 * 3.14159, rel=0.12)
    assert float(open_mesh.vertices[:, 2].min()) > -0.25
    small_hole = cloud[cloud.points[:, 2] < 0.997]
    assert topology(poisson_surface(small_hole, depth=5)).watertight


@pytest.mark.slow
def test_noise_is_averaged_out():
    cloud = sphere(6000, noise=0.02)
    truth = poisson_surface(sphere(8000), refine=False)
    errors = {
        denoise: compare_surfaces(poisson_surface(cloud, denoise=denoise), truth, 5000).chamfer
        for denoise in (None, False)
    }
    assert errors[None] < 0.8 * errors[False]
    assert errors[None] < 0.008


def test_smoothing_shrinks_neither_planes_nor_spheres():
    cloud = sphere(12000)
    smooth = smooth_points(cloud, 0.1, 64)
    assert abs(float(smooth.points.norm(dim=1).mean()) - 1) < 1e-4
    torch.testing.assert_close(smooth.normals.norm(dim=1), torch.ones(12000))
    off = cloud.points[:500] * 1.02
    back = project_to_cloud(off, cloud.normals[:500], cloud, 0.05, 32)
    assert float((back.norm(dim=1) - 1).abs().max()) < 2e-3


def test_colours_are_carried_over():
    cloud = sphere()
    colored = cloud.replace(colors=(cloud.points + 1) / 2)
    mesh = poisson_surface(colored, depth=5)
    assert float((mesh.colors - (mesh.vertices + 1) / 2).abs().max()) < 0.06
    assert poisson_surface(cloud, depth=4).colors is None


def test_what_cannot_be():
    cloud = sphere(100)
    with pytest.raises(InvalidInput, match="at least 10 points"):
        poisson_surface(cloud[:9])
    with pytest.raises(InvalidInput, match="not all in one place"):
        poisson_surface(PointCloud(torch.ones(50, 3)))
    with pytest.raises(InvalidInput, match="depth must be 3 to 12, got 13"):
        poisson_surface(cloud, depth=13)
    with pytest.raises(InvalidInput, match="trim must be"):
        poisson_surface(cloud, trim=-1)
