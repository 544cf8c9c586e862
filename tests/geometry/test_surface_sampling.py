"""Points on a surface: where they lie, how evenly, what they carry."""

import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.neighbors import nearest_neighbors
from geokit.geometry.surface_sampling import look_up, sample_places, sample_surface, values_at
from tests.geometry.latitudes import sphere


def uneven_mesh():
    """Nine triangles of very different areas, one of them of none."""
    g = torch.Generator().manual_seed(3)
    sizes = torch.logspace(-1, 1, 9, dtype=torch.float64)
    corners = torch.rand(9, 3, 3, generator=g, dtype=torch.float64) * sizes[:, None, None]
    corners[4, 2] = corners[4, 1]
    return Mesh(corners.reshape(-1, 3), torch.arange(27).reshape(-1, 3))


@pytest.mark.parametrize("low_discrepancy", [False, True])
def test_chi_square_of_faces_and_of_places_on_them(low_discrepancy):
    mesh, count = uneven_mesh(), 40_000
    faces, weights = sample_places(mesh, count, 1, low_discrepancy)
    assert not bool((faces == 4).any())
    areas = mesh.face_areas()
    expected = count * areas / areas.sum()
    observed = torch.bincount(faces, minlength=9).double()
    alive = areas > 0
    chi_square = float(((observed - expected)[alive] ** 2 / expected[alive]).sum())
    assert chi_square < 26.1  # 99.9 % of independent samples, 8 - 1 degrees of freedom give 24.3
    # the four congruent sub-triangles of the largest face
    inside = weights[faces == int(areas.argmax())]
    quarter = torch.where((inside > 0.5).any(1), inside.argmax(1), 3)
    share = torch.bincount(quarter, minlength=4).double() / len(quarter)
    assert float(((share - 0.25) ** 2 / 0.25).sum()) * len(quarter) < 16.3
    assert float(weights.min()) >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(count, dtype=torch.float64))


def test_low_discrepancy_spreads_points_evenly():
    for mesh, count in ((sphere(8, 12), 500), (sphere(8, 12), 4000), (sphere(60, 120), 700)):
        spreads = []
        for low_discrepancy in (False, True):
            points = sample_surface(mesh, count, 0, low_discrepancy).points
            nearest = nearest_neighbors(points, 1)[0]
            spreads.append(float(nearest.std() / nearest.mean()))
        assert spreads[0] == pytest.approx(0.52, abs=0.05)  # independent points of the plane: sqrt(4 / pi - 1)
        assert spreads[1] < 0.42


def test_low_discrepancy_integrates_better():
    mesh = sphere(60, 120)
    errors = []
    for low_discrepancy in (False, True):
        samples = [sample_surface(mesh, 1000, seed, low_discrepancy).points for seed in range(10)]
        errors.append(math.sqrt(sum(float(p.mean(0).square().sum()) for p in samples) / 10))
    assert errors[1] < errors[0] / 10


def test_samples_lie_on_the_surface_with_its_normals_and_colours():
    ball = sphere(20, 30, dtype=torch.float32)
    ball = ball.replace(colors=(ball.vertices + 1) / 2)
    cloud = sample_surface(ball, 2000, seed=5)
    assert len(cloud) == 2000
    assert float((cloud.points.norm(dim=1) - 1).abs().max()) < 0.02
    assert float((cloud.normals * cloud.points).sum(1).min()) > 0.97
    torch.testing.assert_close(cloud.colors, (cloud.points + 1) / 2)
    again, other = sample_surface(ball, 2000, seed=5), sample_surface(ball, 2000, seed=6)
    assert torch.equal(cloud.points, again.points)
    assert not torch.equal(cloud.points, other.points)


def test_colours_from_a_texture():
    square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=torch.float64)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    texture = torch.zeros(2, 4, 4, dtype=torch.float64)
    texture[0, :, 0] = 1  # the upper row is red
    texture[1, :, 1] = 1
    mesh = Mesh(square, faces, uv=square[faces][..., :2], texture=texture)
    cloud = sample_surface(mesh, 500)
    high = cloud.points[:, 1] > 0.75
    low = cloud.points[:, 1] < 0.25
    assert cloud.colors.shape == (500, 3)
    between = cloud.points[:, 1].clamp(0.25, 0.75) * 2 - 0.5
    inner = ~(high | low)
    torch.testing.assert_close(cloud.colors[inner, 0], between[inner])


def test_look_up_at_texel_centres_and_beyond_the_border():
    g = torch.Generator().manual_seed(0)
    texture = torch.rand(3, 5, 2, generator=g, dtype=torch.float64)
    row, column = torch.meshgrid(torch.arange(3), torch.arange(5), indexing="ij")
    uv = torch.stack([(column + 0.5) / 5, 1 - (row + 0.5) / 3], -1).reshape(-1, 2).double()
    torch.testing.assert_close(look_up(texture, uv), texture.reshape(-1, 2))
    torch.testing.assert_close(look_up(texture, uv + torch.tensor([3.0, -2.0])), texture.reshape(-1, 2))


def test_gradients_by_vertices_and_colours():
    ball = sphere(4, 5)
    faces, weights = sample_places(ball, 20)
    inputs = ball.vertices.clone().requires_grad_(), weights.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v, w: values_at(ball, v, faces, w), inputs)

    def sampled(vertices):
        cloud = sample_surface(ball.replace(vertices=vertices, colors=vertices.sigmoid()), 20)
        return cloud.points, cloud.normals, cloud.colors

    points = sampled(inputs[0])
    assert all(t.requires_grad for t in points)
    assert bool(torch.isfinite(torch.autograd.grad(sum(t.sum() for t in points), inputs[0])[0]).all())


def test_refusals():
    flat = Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))
    for mesh in (flat, flat.replace(faces=flat.faces[:0])):
        with pytest.raises(InvalidInput, match="area"):
            sample_surface(mesh, 10)
    with pytest.raises(InvalidInput, match="count"):
        sample_surface(sphere(), -1)
    with pytest.raises(InvalidInput, match="values"):
        values_at(sphere(), torch.zeros(3, 3), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3))
    assert len(sample_surface(sphere(), 0)) == len(sample_surface(sphere(), 0, low_discrepancy=True)) == 0
