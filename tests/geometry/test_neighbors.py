import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.neighbors import neighbor_distances


def by_hand(points: torch.Tensor, k: int) -> torch.Tensor:
    every = (points[:, None] - points[None]).norm(dim=-1)
    every.fill_diagonal_(torch.inf)
    return every.sort(dim=1).values[:, :k]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_agrees_with_brute_force(dtype, k):
    points = torch.randn(60, 3, generator=torch.Generator().manual_seed(k), dtype=dtype)
    found = neighbor_distances(points, k)
    assert found.dtype == dtype
    torch.testing.assert_close(found, by_hand(points, k))


def test_duplicates_are_neighbours_at_distance_zero():
    points = torch.tensor([[0.0, 0, 0], [0.0, 0, 0], [0.0, 0, 0], [3.0, 4.0, 0.0]])
    assert neighbor_distances(points, 3).tolist() == [[0, 0, 5], [0, 0, 5], [0, 0, 5], [5, 5, 5]]


def test_few_points_have_few_neighbours():
    assert neighbor_distances(torch.zeros(0, 3), 3).shape == (0, 0)
    assert neighbor_distances(torch.zeros(1, 3), 3).shape == (1, 0)
    assert neighbor_distances(torch.rand(3, 3), 5).shape == (3, 2)
    assert neighbor_distances(torch.rand(3, 3), 0).shape == (3, 0)


def test_needs_no_gradient_of_points_that_train():
    assert not neighbor_distances(torch.rand(4, 3, requires_grad=True), 2).requires_grad


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (torch.zeros(4, 2), r"points must have shape \(N, 3\), got \(4, 2\)"),
        (torch.zeros(4, 3, dtype=torch.int64), "points must be float32 or float64, got int64"),
        (torch.tensor([[0.0, torch.nan, 0.0]]), "points must be finite"),
    ],
)
def test_wrong_points(points, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        neighbor_distances(points, 1)
