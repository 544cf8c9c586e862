import pytest
import torch

from geokit.geometry import PointCloud
from geokit.geometry.rotations import matrix_from_quaternion
from geokit.splatting import render
from geokit.splatting.primitives import covariance_factor, splats_from_points, turned
from tests.reference import projection, scenes
from tests.splatting.worlds import front_camera


def test_the_covariance_factor_squares_to_the_covariance():
    g = scenes.generator(0)
    quats, log_scales = scenes.normal(g, 20, 4), scenes.normal(g, 20, 3)
    factor = covariance_factor(quats, log_scales)
    torch.testing.assert_close(factor @ factor.mT, projection.covariances(quats, log_scales.exp()))


def test_points_of_a_grid_become_round_splats_of_its_spacing():
    line = torch.arange(4.0)
    points = 0.25 * torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    splats = splats_from_points(PointCloud(points), opacity=0.2, scale=0.5)
    assert torch.equal(splats.means, points)
    torch.testing.assert_close(splats.log_scales.exp(), torch.full((64, 3), 0.125))
    torch.testing.assert_close(splats.logit_opacities.sigmoid(), torch.full((64,), 0.2))
    assert (splats.sh_degree, splats.waves) == (0, 0)


def test_a_splat_shows_the_colour_of_its_point():
    color = torch.tensor([[0.9, 0.4, 0.05]], dtype=torch.float64)
    cloud = PointCloud(torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64), color)
    splats = splats_from_points(cloud, opacity=0.8)
    assert splats.means.dtype == torch.float32
    picture = render(splats, front_camera())
    torch.testing.assert_close(picture.image[12, 16] / picture.alpha[12, 16], color[0].float())
    grey = render(splats_from_points(PointCloud(cloud.points)), front_camera())
    torch.testing.assert_close(grey.image[12, 16] / grey.alpha[12, 16], torch.full((3,), 0.5))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_points_and_duplicates_have_finite_sizes(count):
    apart = splats_from_points(PointCloud(torch.randn(count, 3)))
    assert bool(torch.isfinite(apart.log_scales).all())
    together = splats_from_points(PointCloud(torch.zeros(count + 1, 3)))
    assert bool(torch.isfinite(together.log_scales).all())


def test_no_points_are_no_splats():
    assert len(splats_from_points(PointCloud(torch.zeros(0, 3)))) == 0


@pytest.mark.parametrize("back", [False, True])
def test_vectors_turn_as_by_the_matrix(back):
    g = torch.Generator().manual_seed(0)
    quats, vectors = (torch.randn(*size, generator=g, dtype=torch.float64) for size in ((50, 4), (50, 3, 3)))
    rotations = matrix_from_quaternion(quats)
    wanted = vectors @ (rotations if back else rotations.mT)
    torch.testing.assert_close(turned(quats, vectors, back), wanted)
