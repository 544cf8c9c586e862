"""Where kernels begin: weighted clusters, their shapes, and budgets."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields.initialise import (
    cluster_shapes,
    distance_weights,
    image_weights,
    kernels_for_budget,
    kernels_from_samples,
    weighted_clusters,
)
from geokit.fields.kernels import KERNELS, SHAPES
from geokit.fields.radial import RadialField
from tests.fields.radial_models import generator


@pytest.mark.parametrize("kernel", ["gaussian", "gabor"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_budget_is_used_and_never_exceeded(d, shape, kernel):
    points = torch.rand(300, d, generator=generator())
    for budget in (61, 300, 1000):
        count = kernels_for_budget(budget, d, 3, shape, kernel, bias=3)
        made = kernels_from_samples(points, torch.ones(300), count, 3, kernel, shape, iterations=1)
        bounds = torch.tensor([[0.0] * d, [1.0] * d])
        left = budget - RadialField(bounds, made).parameter_count
        assert 0 <= left < sum(p.numel() for p in made.parameters()) / count
    with pytest.raises(InvalidInput, match="too small"):
        kernels_for_budget(5, d, 3, shape, kernel, bias=3)


def test_clusters_lower_the_weighted_distance_and_repeat_by_seed():
    points = torch.rand(3000, 2, generator=generator(), dtype=torch.float64) ** 2
    weights = torch.rand(3000, generator=generator(1), dtype=torch.float64)
    costs = []
    for iterations in (0, 1, 3, 10):
        centres, owner = weighted_clusters(points, weights, 40, iterations, seed=3)
        costs.append(float((weights * (points - centres[owner]).square().sum(1)).sum()))
        assert torch.equal(owner, torch.cdist(points, centres).argmin(1))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.8 * costs[0]
    again, _ = weighted_clusters(points, weights, 40, 10, seed=3)
    other, _ = weighted_clusters(points, weights, 40, 10, seed=4)
    assert torch.equal(centres, again)
    assert not torch.equal(centres, other)


def test_seeds_go_where_the_weights_are():
    points = torch.rand(2000, 2, generator=generator())
    weights = torch.where(points[:, 0] > 0.5, 1.0, 0.0)
    centres, _ = weighted_clusters(points, weights, 100, iterations=0)
    assert (centres[:, 0] > 0.5).all()
    everything, _ = weighted_clusters(points, weights, 1500, iterations=0)  # more than there are weights
    assert len(everything.unique(dim=0)) == 1500


def test_an_empty_cluster_keeps_its_centre():
    points = torch.tensor([[0.0, 0.0]]).repeat(10, 1)
    points[0] = 1.0
    centres, _ = weighted_clusters(points, torch.ones(10), 5)
    assert centres.isfinite().all()
    assert ((centres == 0).all(1) | (centres == 1).all(1)).all()


def test_shapes_are_those_of_the_clusters():
    """A stretched and turned normal distribution has |A (x - c)| distributed as if it were round."""
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64) @ torch.diag(torch.tensor([3.0, 0.5]).double())
    points = torch.randn(20000, 2, generator=generator(), dtype=torch.float64) @ turn.T
    one = torch.ones(20000, dtype=torch.float64)
    a = cluster_shapes(points, one, torch.zeros(1, 2).double(), one.long() * 0, 1e-3, 1e3)[0]
    u = torch.stack([a[0] * points[:, 0], a[1] * points[:, 0] + a[2] * points[:, 1]])
    torch.testing.assert_close(u @ u.T / 20000, torch.eye(2, dtype=torch.float64))
    clipped = cluster_shapes(points, one, torch.zeros(1, 2).double(), one.long() * 0, 1.0, 2.0)[0]
    matrix = torch.tensor([[clipped[0], 0.0], [clipped[1], clipped[2]]])
    torch.testing.assert_close(torch.linalg.svdvals(matrix), torch.tensor([1.0, 0.5]).double())


@pytest.mark.parametrize("kernel", KERNELS)
def test_points_lie_in_about_as_many_supports_as_wanted(kernel):
    g = torch.arange(64) + 0.5
    points = torch.cartesian_prod(g, g)
    made = kernels_from_samples(points, torch.ones(64 * 64), 400, 1, kernel, neighbours=13.0)
    assert 8 < len(made.pairs(points)) / len(points) < 18


@pytest.mark.parametrize("points", [torch.zeros(20, 3), torch.rand(20, 1).expand(-1, 3), torch.rand(20, 3)])
def test_degenerate_points_have_kernels_too(points):
    made = kernels_from_samples(points.contiguous(), torch.zeros(20), 5, 2)
    assert made.factors().isfinite().all()
    assert made.sums(points.contiguous(), 2).isfinite().all()


def test_weights():
    image = torch.zeros(6, 8, 3)
    assert not image_weights(image).any()
    image[:, 4:] = 1
    assert (image_weights(image)[:, 3:5] > 0.5).all()
    assert not image_weights(image)[:, :2].any()
    assert image_weights(torch.rand(1, 1, 1)).shape == (1, 1)
    w = distance_weights(torch.tensor([0.0, -0.5, 0.25]))
    assert w[0] > w[2] > w[1]


def test_bad_input_is_told():
    points = torch.rand(10, 2)
    for arguments, words in (
        ((points, torch.ones(9), 3), "weights must have shape"),
        ((points, -torch.ones(10), 3), "at least 0"),
        ((points, torch.ones(10) * float("nan"), 3), "finite"),
        ((points, torch.ones(10), 11), "between 1 and"),
        ((torch.rand(10, 4), torch.ones(10), 3), "1, 2 or 3"),
    ):
        with pytest.raises(InvalidInput, match=words):
            weighted_clusters(*arguments)
    with pytest.raises(InvalidInput, match="neighbours"):
        kernels_from_samples(points, torch.ones(10), 3, 1, neighbours=0.5)
    with pytest.raises(InvalidInput, match="one of"):
        kernels_from_samples(points, torch.ones(10), 3, 1, "gauss")
    with pytest.raises(InvalidInput, match="image must have shape"):
        image_weights(torch.rand(5, 5))
