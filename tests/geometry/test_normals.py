"""Normals of points and their sides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from geokit.errors import InvalidInput
from geokit.geometry.distance import closest_points
from geokit.geometry.normals import estimate_normals, local_planes, neighbors_for_noise, smallest_eigenvectors
from geokit.geometry.point_cloud import PointCloud
from geokit.io import load_mesh


def sphere(count=2000, seed=0, center=(0.0, 0.0, 0.0), radius=1.0):
    g = torch.Generator().manual_seed(seed)
    return torch.tensor(center) + radius * normalize(torch.randn(count, 3, generator=g), dim=1)


def box(size=(1.0, 1.0, 1.0), count=6000, seed=0):
    """Points on the faces of a box around the origin and the outward normals there."""
    size = torch.tensor(size)
    g = torch.Generator().manual_seed(seed)
    areas = size.prod() / size
    axis = torch.multinomial(areas, count, replacement=True, generator=g)
    side = torch.randint(2, (count,), generator=g) * 2.0 - 1
    points = torch.rand(count, 3, generator=g) - 0.5
    every = torch.arange(count)
    points[every, axis] = side / 2
    normals = torch.zeros(count, 3)
    normals[every, axis] = side
    return points * size, normals


def share_right(estimated, truth):
    return float(((estimated * truth).sum(1) > 0).double().mean())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 2, 3]), st.integers(-12, 12))
def test_smallest_eigenvectors_are_those_of_lapack(seed, rank, exponent):
    g = torch.Generator().manual_seed(seed)
    factor = torch.randn(8, 3, max(rank, 1), generator=g, dtype=torch.float64) * (rank > 0)
    matrices = factor @ factor.transpose(1, 2) * 10.0**exponent
    values, vectors = smallest_eigenvectors(matrices)
    wanted = torch.linalg.eigvalsh(matrices)
    scale = wanted.abs().amax().clamp_min(1e-300)
    torch.testing.assert_close(values / scale, wanted.clamp_min(0) / scale, atol=1e-7, rtol=0)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(8, dtype=torch.float64))
    residual = (matrices @ vectors[:, :, None])[:, :, 0] - wanted[:, :1] * vectors
    assert float(residual.norm(dim=1).max() / scale) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sphere_looks_outward(dtype):
    points = sphere().to(dtype)
    cloud = estimate_normals(PointCloud(points))
    assert cloud.normals.dtype == dtype
    assert float((cloud.normals * points).sum(1).min()) > 0.95
    shifted = estimate_normals(PointCloud(points + 100))
    assert float((shifted.normals * points).sum(1).min()) > 0.95


def test_boxes_and_thin_plates_with_their_sharp_edges():
    for size in ((1.0, 1.0, 1.0), (1.0, 1.0, 0.1), (3.0, 0.3, 0.3)):
        points, truth = box(size)
        normals = estimate_normals(PointCloud(points), k=12).normals
        assert share_right(normals, truth) > 0.995


def test_every_part_looks_outward():
    small = sphere(500, 1, center=(5.0, 0.0, 0.0), radius=0.3)
    points = torch.cat([sphere(), small])
    normals = estimate_normals(PointCloud(points)).normals
    centers = torch.zeros_like(points)
    centers[2000:, 0] = 5.0
    assert share_right(normals, points - centers) == 1.0


def test_towards_a_viewpoint_and_towards_one_a_point():
    points, _ = box()
    seen_from = torch.tensor([0.1, 0.2, 3.0])
    normals = estimate_normals(PointCloud(points), viewpoint=seen_from).normals
    assert bool((((seen_from - points) * normals).sum(1) >= 0).all())
    inside = estimate_normals(PointCloud(sphere()), viewpoint=torch.zeros(2000, 3)).normals
    assert float((inside * sphere()).sum(1).max()) < -0.95


def test_noise_asks_for_more_neighbors():
    g = torch.Generator().manual_seed(0)
    points = sphere(20000)
    assert neighbors_for_noise(points) == 16
    noisy = points + 0.01 * torch.randn(points.shape, generator=g)
    k = neighbors_for_noise(noisy)
    assert 24 <= k <= 128
    error = {n: float((estimate_normals(PointCloud(noisy), k=n).normals * points).sum(1).mean()) for n in (16, k)}
    assert error[k] > max(error[16], 0.98)
    assert neighbors_for_noise(sphere(60)) == 16  # curvature is no noise
    assert neighbors_for_noise(sphere(5)) == 4


def test_curvature_is_small_on_a_face_and_large_on_an_edge():
    points, _ = box()
    curvature = local_planes(points).curvature
    near = 0.5 - points.abs().sort(dim=1).values[:, 1]  # distance from the nearest edge
    assert float(curvature[near > 0.15].max()) < 1e-6
    assert float(curvature[near < 0.01].mean()) > 0.02
    assert float(curvature.max()) <= 1 / 3 + 1e-6


def test_duplicates_lines_and_planes_give_unit_normals():
    line = torch.linspace(0, 1, 50)[:, None] * torch.tensor([1.0, 2.0, 3.0])
    plane = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 0.0])
    for points in (line, plane, torch.zeros(40, 3), plane.repeat(3, 1)):
        normals = estimate_normals(PointCloud(points)).normals
        torch.testing.assert_close(normals.norm(dim=1), torch.ones(len(points)))
    flat = estimate_normals(PointCloud(plane)).normals[:, 2]
    assert bool((flat == flat[0]).all())


def test_colours_stay_and_threads_do_not_matter():
    points = sphere(3000)
    cloud = PointCloud(points, colors=points.abs())
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(estimate_normals(cloud))
    assert torch.equal(found[0].normals, found[1].normals)
    assert torch.equal(found[0].colors, cloud.colors)


def test_what_cannot_be_estimated():
    with pytest.raises(InvalidInput, match="at least 3 points, got 2"):
        estimate_normals(PointCloud(torch.rand(2, 3)))
    with pytest.raises(InvalidInput, match="at least 2, got 1"):
        estimate_normals(PointCloud(torch.rand(9, 3)), k=1)
    with pytest.raises(InvalidInput, match=r"viewpoint must have shape \(9, 3\)"):
        estimate_normals(PointCloud(torch.rand(9, 3)), viewpoint=torch.zeros(8, 3))


def test_real_scans_against_their_part(data_folder):
    mesh = load_mesh(data_folder / "meshes" / "abc_00016513_mesh.ply")
    chosen = np.random.default_rng(0).permutation(86000)[:20000]
    points = np.load(data_folder / "meshes" / "abc_00016513_scanpts.npy")[chosen]
    normals = estimate_normals(PointCloud(torch.from_numpy(points).float())).normals.numpy()
    faces = closest_points(mesh, torch.from_numpy(points).to(mesh.vertices)).face_ids
    assert ((mesh.face_normals()[faces].numpy() * normals).sum(1) > 0).mean() > 0.97
