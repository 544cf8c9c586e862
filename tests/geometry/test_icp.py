import math

import pytest
import torch

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.icp import KERNELS, icp
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.rotations import matrix_from_axis_angle, rotation_angle
from geokit.geometry.transforms import transform
from tests.reference import scenes


def bumpy(count: int, seed: int, noise: float = 0.0) -> PointCloud:
    """Points of a sphere of radius about 1 with bumps that leave no symmetry."""
    points = torch.nn.functional.normalize(scenes.normal(scenes.generator(seed), count, 3), dim=1)
    x, y, z = points.unbind(1)
    radius = 1 + 0.2 * torch.sin(3 * x + 1) + 0.15 * torch.cos(4 * y) * z + 0.1 * torch.sin(5 * z + x)
    return PointCloud(radius[:, None] * points + noise * scenes.normal(scenes.generator(seed + 100), count, 3))


def motion(degrees: float, shift: float, scale: float = 1.0) -> torch.Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    axis = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    matrix[:3, :3] = scale * matrix_from_axis_angle(axis * math.radians(degrees))
    matrix[:3, 3] = shift * torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3
    return matrix


def error(found: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """Degrees and length that are left of a motion about the origin."""
    rest = found @ torch.linalg.inv(truth)
    return math.degrees(float(rotation_angle(rest[:3, :3]))), float(rest[:3, 3].norm())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("metric", ["plane", "point"])
def test_the_same_points_come_back_exactly(kernel, metric):
    source, truth = bumpy(800, 0), motion(6, 0.05)
    found = icp(source, transform(source, truth), metric=metric, kernel=kernel, max_distance=0.3)
    degrees, shift = error(found.matrix, truth)
    # Once the pairs are right, these are exact in one step; the others come closer step by step, and stop before.
    exact = metric == "plane" and kernel in ("tukey", "geman-mcclure")
    assert degrees < (1e-6 if exact else 0.05)
    assert shift < (1e-8 if exact else 1e-3)
    assert found.converged or not exact
    assert found.fitness == 1
    assert found.rmse < (1e-8 if exact else 1e-3)


def test_other_points_of_the_same_surface_with_noise_and_part_of_it_missing():
    source, target, truth = bumpy(4000, 1, 0.005), bumpy(4000, 2, 0.005), motion(8, 0.1)
    source, target = source[source.points[:, 0] > -0.4], target[target.points[:, 0] < 0.5]
    target = transform(target, truth)
    for kernel in ("huber", "tukey", "geman-mcclure"):
        found = icp(source, target, kernel=kernel, max_distance=0.3)
        degrees, shift = error(found.matrix, truth)
        assert degrees < 0.3
        assert shift < 0.01
        assert 0.5 < found.fitness < 0.85


def test_outliers_move_a_robust_kernel_less():
    source, truth = bumpy(3000, 3), motion(4, 0.05)
    target = transform(bumpy(3000, 4), truth)
    beside = target.points[:900] * 1.08  # a third of the surface lies doubled, a little off
    target = PointCloud(torch.cat([target.points[300:], beside]))
    errors = {
        kernel: sum(error(icp(source, target, kernel=kernel, max_distance=0.3).matrix, truth)) for kernel in KERNELS
    }
    assert errors["tukey"] < 0.5 * errors["none"]
    assert errors["geman-mcclure"] < 0.5 * errors["none"]


@pytest.mark.parametrize("metric", ["plane", "point"])
def test_with_scale_and_from_a_start(metric):
    source, truth = bumpy(2000, 5), motion(50, 1.0, 1.3)
    start = motion(46, 0.95, 1.25)
    found = icp(source, transform(source, truth), start, metric=metric, scale=True, max_distance=0.4)
    torch.testing.assert_close(found.matrix, truth, rtol=0, atol=1e-6)
    assert abs(found.scale - 1.3) < 1e-6


def test_a_mesh_and_a_plane_that_can_slide():
    grid = torch.cartesian_prod(*[torch.linspace(-1, 1, 12, dtype=torch.float64)] * 2)
    flat = torch.cat([grid, torch.zeros(144, 1, dtype=torch.float64)], dim=1)
    corner = torch.arange(144).reshape(12, 12)[:-1, :-1].reshape(-1)
    faces = torch.cat(
        [torch.stack([corner, corner + 12, corner + 1], 1), torch.stack([corner + 1, corner + 12, corner + 13], 1)]
    )
    lifted = transform(PointCloud(flat), motion(2, 0.03))
    found = icp(lifted, Mesh(flat, faces), max_distance=0.3)
    back = transform(lifted, found.matrix).points
    assert float(back[:, 2].abs().max()) < 1e-3
    assert float((back - flat).norm(dim=1).max()) < 0.1


def test_the_same_answer_on_any_number_of_threads_and_in_both_dtypes():
    source, truth = bumpy(1500, 6), motion(5, 0.05)
    target = transform(bumpy(1500, 7), truth)
    one = icp(source, target)
    torch.set_num_threads(2)
    two = icp(source, target)
    torch.testing.assert_close(one.matrix, two.matrix, rtol=0, atol=1e-12)
    single = icp(source.to(torch.float32), target.to(torch.float32))
    assert single.matrix.dtype == torch.float64
    torch.testing.assert_close(single.matrix, one.matrix, rtol=0, atol=1e-3)


def test_wrong_arguments():
    cloud = bumpy(100, 0)
    with pytest.raises(NumericalFailure, match="of 100 points have a counterpart within"):
        icp(cloud, transform(cloud, motion(0, 50.0)))
    with pytest.raises(InvalidInput, match="kernel must be one of"):
        icp(cloud, cloud, kernel="cauchy")
    with pytest.raises(InvalidInput, match="metric must be"):
        icp(cloud, cloud, metric="line")
    with pytest.raises(InvalidInput, match="max_distance must be positive"):
        icp(cloud, cloud, max_distance=0.0)
    with pytest.raises(InvalidInput, match="initial must have shape"):
        icp(cloud, cloud, torch.eye(3))
    with pytest.raises(InvalidInput, match="at least 10 points, got 3"):
        icp(cloud[:3], cloud)
    with pytest.raises(InvalidInput, match="points of some extent"):
        icp(PointCloud(torch.ones(20, 3)), cloud)
    with pytest.raises(InvalidInput, match="takes a Mesh or a PointCloud, got Tensor"):
        icp(cloud.points, cloud)
