import math

import pytest
import torch

from geokit.equivariant.lie import SL, SO, GLPlus, sample_set
from geokit.equivariant.lie.points import invariant_readout, neighborhood, samples_of
from geokit.errors import InvalidInput


def test_density_weights_sum_to_the_area_of_a_square_and_level_a_dense_corner():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(4000, 2, dtype=torch.float64, generator=generator)
    dense = torch.rand(4000, 2, dtype=torch.float64, generator=generator) * 0.5
    samples = sample_set(SO(2), 1, dtype=torch.float64)
    cloud = neighborhood(torch.cat([points, dense]), samples, 0.01)
    assert cloud.weights.sum().item() * 0.01**2 == pytest.approx(1, rel=0.15)
    x = torch.cat([points, dense])
    mean = (cloud.weights[:, None] * x).sum(0) / cloud.weights.sum()
    assert (mean - 0.5).abs().max() < 0.03
    assert (x.mean(0) - 0.5).abs().max() > 0.1


@pytest.mark.parametrize("weights", ["density", "uniform"])
@pytest.mark.parametrize("group", [SL(2), GLPlus(2), SL(3), GLPlus(3), SO(3)], ids=str)
def test_volumes_scale_with_the_determinant(group, weights):
    points = torch.randn(50, group.n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    samples = sample_set(group, 2, dtype=torch.float64)
    a = group.sample(1, generator=torch.Generator().manual_seed(1))[0]
    before, after = (neighborhood(x, samples, 0.7, weights=weights).weights for x in (points, points @ a.T + 2))
    assert torch.allclose(after, torch.linalg.det(a) * before, rtol=1e-9)
    if weights == "density":
        assert before.max() > 1.5 * before.min()


def test_edges_are_all_pairs_within_reach_in_the_same_cloud():
    points = torch.randn(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = torch.arange(40) % 2
    samples = sample_set(GLPlus(2), 5, spread=0.4, dtype=torch.float64)
    cloud = neighborhood(points, samples, 0.6, batch)
    reach = 0.6 * torch.linalg.matrix_norm(samples.elements, 2).max()
    near = (torch.cdist(points, points) <= reach) & (batch[:, None] == batch)
    found = torch.zeros(40, 40, dtype=torch.int64).index_put((cloud.receivers, cloud.senders), torch.tensor(1), True)
    assert torch.equal(found, near.long())
    assert torch.allclose(cloud.displacements * 0.6, points[cloud.senders] - points[cloud.receivers])
    assert repr(cloud) == f"Neighborhood(2 clouds, 40 points, {int(near.sum())} edges)"


@pytest.mark.parametrize(
    ("message", "points", "options"),
    [
        (r"points must have shape \(N, 2\)", torch.randn(20, 3), {}),
        ("points must be finite", torch.full((20, 2), math.nan), {}),
        ("radius must be positive", torch.randn(20, 2), {"radius": 0.0}),
        ("weights must be one of density, uniform", torch.randn(20, 2), {"weights": "area"}),
        (r"batch must have shape \(20\)", torch.randn(20, 2), {"batch": torch.zeros(3, dtype=torch.int64)}),
        ("batch must count clouds from 0 on", torch.randn(20, 2), {"batch": torch.full((20,), -1)}),
        ("cloud 0 has 5 points, too few", torch.randn(5, 2), {}),
        ("cloud 0 is flat", torch.randn(20, 1) * torch.tensor([[1.0, 2.0]]), {}),
    ],
)
def test_bad_clouds_are_told(message, points, options):
    with pytest.raises(InvalidInput, match=message):
        neighborhood(points, sample_set(GLPlus(2), 3), **{"radius": 1.0, **options})


def test_bad_readouts_and_elements_are_told():
    samples, points = sample_set(SO(2), 3), torch.randn(20, 2)
    cloud = neighborhood(points, samples, 1.0)
    with pytest.raises(InvalidInput, match='mode must be "mean" or "max"'):
        invariant_readout(torch.zeros(20, 3, 4), cloud, samples, "sum")
    with pytest.raises(InvalidInput, match=r"x must have shape \(20, 3, C\)"):
        invariant_readout(torch.zeros(20, 4, 4), cloud, samples)
    with pytest.raises(InvalidInput, match=r"elements must be \(S, 2, 2\)"):
        samples_of(SO(2), torch.zeros(0, 2, 2))
    with pytest.raises(InvalidInput, match=r"elements\[1\] is not in SO\(2\)"):
        samples_of(SO(2), torch.stack([torch.eye(2), 2 * torch.eye(2)]))
