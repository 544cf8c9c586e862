import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.transforms import normalize_to_unit, transform
from tests.geometry.shapes import sphere, torus


def affine(seed: int) -> torch.Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3] += torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 0.5
    return matrix


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_one_after_the_other_is_the_product(first, second):
    cloud = PointCloud(torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(first)))
    a, b = affine(first), affine(second)
    together = transform(cloud, b @ a).points
    torch.testing.assert_close(transform(transform(cloud, a), b).points, together)


@given(st.integers(0, 1000))
def test_volume_grows_by_the_determinant_and_outside_stays_outside(seed):
    mesh, matrix = torus(), affine(seed)
    size = abs(float(torch.linalg.det(matrix[:3, :3])))
    assert transform(mesh, matrix).volume() == pytest.approx(mesh.volume() * size, rel=1e-9)


@given(st.integers(0, 1000))
def test_normals_stay_normal_to_the_moved_faces(seed):
    mesh, matrix = sphere(1), affine(seed)
    corners = mesh.corners.reshape(-1, 3)  # one vertex a corner: its normal is that of the face
    cloud = PointCloud(corners, normals=mesh.face_normals().repeat_interleave(3, 0))
    moved = transform(cloud, matrix)
    along = moved.points.reshape(-1, 3, 3).diff(dim=1)
    across = (along * moved.normals.reshape(-1, 3, 3)[:, :2]).sum(-1)
    assert float(across.abs().max()) < 1e-9
    torch.testing.assert_close(moved.normals.norm(dim=1), torch.ones(len(moved), dtype=torch.float64))


def test_unit_size_can_be_undone():
    cloud = PointCloud(torch.tensor([[10.0, 0, 0], [14, 2, 0], [12, 1, 1]], dtype=torch.float64))
    box, matrix = normalize_to_unit(cloud)
    assert box.points.amin(0).tolist() == [-1, -0.5, -0.25]
    assert box.points.amax(0).tolist() == [1, 0.5, 0.25]
    torch.testing.assert_close(transform(box, torch.linalg.inv(matrix)).points, cloud.points)
    ball, _ = normalize_to_unit(cloud, to="sphere")
    assert float(ball.points.norm(dim=1).max()) == pytest.approx(1)


def test_points_have_gradients():
    points = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    matrix = affine(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, m: transform(PointCloud(p), m).points, (points, matrix))


def test_wrong_matrices():
    cloud = PointCloud(torch.rand(3, 3), normals=torch.eye(3))
    with pytest.raises(InvalidInput, match=r"matrix must have shape \(4, 4\), got \(3, 3\)"):
        transform(cloud, torch.eye(3))
    with pytest.raises(InvalidInput, match="last row"):
        transform(cloud, torch.ones(4, 4))
    with pytest.raises(InvalidInput, match="flattens space"):
        transform(cloud, torch.diag(torch.tensor([1.0, 1, 0, 1])))
    with pytest.raises(InvalidInput, match="matrix must be finite"):
        transform(cloud, torch.eye(4) * math.nan)
    with pytest.raises(InvalidInput, match="all of its points are the same"):
        normalize_to_unit(PointCloud(torch.ones(3, 3)))
    with pytest.raises(InvalidInput, match="empty shape"):
        normalize_to_unit(PointCloud(torch.ones(0, 3)))
