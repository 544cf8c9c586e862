"""Comparisons of shapes whose distances are known."""

import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.metrics import compare_surfaces, errors_at_vertices
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.surface_sampling import sample_surface
from tests.geometry.latitudes import sphere


def rectangle(width=1.0, height=1.0, z=0.0, dtype=torch.float64):
    corners = torch.tensor([[0, 0, z], [width, 0, z], [width, height, z], [0, height, z]], dtype=dtype)
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_planes(dtype):
    found = compare_surfaces(rectangle(z=0.25, dtype=dtype), rectangle(dtype=dtype), count=1000, threshold=0.3)
    for side in (found.accuracy, found.completeness):
        values = (side.mean, side.rms, side.median, side.percentile_95, side.maximum)
        assert values == pytest.approx([0.25] * 5, rel=1e-6)
        assert (side.within, side.cosine, side.absolute_cosine) == pytest.approx((1, 1, 1))
    assert (found.chamfer, found.hausdorff, found.percentile_95) == pytest.approx([0.25] * 3)
    assert found.chamfer_squared == pytest.approx(0.0625)
    assert (found.f_score, found.normal_consistency, found.signed_normal_consistency) == pytest.approx((1, 1, 1))
    assert compare_surfaces(rectangle(z=0.25), rectangle(), count=1000, threshold=0.2).f_score == 0


def test_half_of_a_rectangle():
    """From the missing half, distances are uniform in [0, 1]."""
    found = compare_surfaces(rectangle(), rectangle(width=2.0), count=20_000, threshold=0.1)
    assert found.accuracy.mean == found.accuracy.maximum == 0
    assert found.precision == 1
    assert found.completeness.mean == pytest.approx(0.25, abs=1e-3)
    assert found.completeness.rms == pytest.approx(math.sqrt(1 / 6), abs=1e-3)
    assert found.completeness.percentile_95 == pytest.approx(0.9, abs=3e-3)
    assert found.hausdorff == 1
    assert found.recall == pytest.approx(0.55, abs=3e-3)
    assert found.f_score == pytest.approx(1.1 / 1.55, abs=3e-3)
    assert found.chamfer == pytest.approx(0.125, abs=1e-3)
    other = compare_surfaces(rectangle(width=2.0), rectangle(), count=20_000, threshold=0.1)
    assert (other.precision, other.chamfer) == (found.recall, found.chamfer)


def test_concentric_spheres():
    found = compare_surfaces(sphere(100, 200, radius=1.1), sphere(100, 200), count=20_000)
    assert found.chamfer == pytest.approx(0.1, abs=5e-4)
    assert found.hausdorff == pytest.approx(0.1, abs=1e-3)
    assert found.normal_consistency == pytest.approx(1, abs=1e-3)
    assert found.threshold == pytest.approx(0.005 * 2 * math.sqrt(3), rel=1e-2)


def test_equal_meshes_are_at_no_distance_and_flipped_faces_are_seen():
    ball = sphere(30, 40)
    same = compare_surfaces(ball, ball, count=5000)
    assert same.hausdorff < 1e-12
    assert same.signed_normal_consistency == pytest.approx(1)
    flipped = compare_surfaces(ball.replace(faces=ball.faces.flip(1)), ball, count=5000)
    assert (flipped.normal_consistency, flipped.signed_normal_consistency) == pytest.approx((1, -1))


def test_clouds():
    grid = torch.stack(torch.meshgrid(*[torch.arange(6.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    found = compare_surfaces(PointCloud(grid + torch.tensor([0.3, 0, 0])), PointCloud(grid), threshold=0.31)
    assert found.chamfer == pytest.approx(0.3, rel=1e-5)
    assert found.hausdorff == pytest.approx(0.3, rel=1e-5)
    assert found.f_score == 1
    assert found.normal_consistency is None


def test_a_cloud_against_its_mesh_in_another_dtype():
    ball = sphere(40, 60)
    cloud = sample_surface(ball, 4000, low_discrepancy=True).to(torch.float32)
    found = compare_surfaces(cloud, ball, count=5000)
    assert found.accuracy.maximum < 1e-6
    assert 0.01 < found.completeness.mean < 0.05  # half the spacing of the points
    assert found.normal_consistency > 0.99


def test_errors_at_vertices():
    ball = sphere(30, 40, radius=1.2, dtype=torch.float32)
    errors = errors_at_vertices(ball, sphere(200, 300))
    assert errors.dtype == torch.float32
    torch.testing.assert_close(errors, torch.full_like(errors, 0.2), rtol=0, atol=5e-4)
    points = PointCloud(rectangle(z=2.0).vertices)
    assert torch.equal(errors_at_vertices(points, rectangle()), torch.full((4,), 2.0, dtype=torch.float64))
    assert torch.equal(errors_at_vertices(rectangle(z=3.0), points), torch.ones(4, dtype=torch.float64))


def test_refusals():
    with pytest.raises(InvalidInput, match="empty"):
        compare_surfaces(PointCloud(torch.zeros(0, 3)), sphere(), threshold=1.0)
    with pytest.raises(InvalidInput, match="threshold"):
        compare_surfaces(sphere(), sphere(), threshold=0.0)
    with pytest.raises(InvalidInput, match="Mesh or a PointCloud"):
        compare_surfaces(torch.zeros(4, 3), sphere())
    with pytest.raises(InvalidInput, match="count"):
        compare_surfaces(sphere(), sphere(), count=0)
