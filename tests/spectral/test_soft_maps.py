"""Soft maps."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.nearest_rows import nearest_rows
from geokit.spectral.soft_maps import sinkhorn_map, soft_map


def rows(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_rows_sum_to_one_and_cold_maps_are_the_nearest_rows():
    two, one = rows(20, 0), rows(30, 1)
    assert torch.allclose(soft_map(two, one, 0.5).sum(1), torch.ones(20, dtype=torch.float64))
    assert torch.equal(soft_map(two, one, 1e-6).argmax(1), nearest_rows(two, one))


def test_marginals_of_sinkhorn():
    masses2, masses1 = rows(20, 4)[:, 0].abs() + 0.1, rows(30, 5)[:, 0].abs() + 0.1
    for temperature in (5.0, 0.5):
        plan = sinkhorn_map(rows(20, 0), rows(30, 1), temperature, masses2, masses1, iterations=400)
        torch.testing.assert_close(plan.sum(0), masses1 / masses1.sum())
        torch.testing.assert_close(plan.sum(1), masses2 / masses2.sum(), rtol=1e-3, atol=1e-6)


def test_sinkhorn_of_a_permutation_is_the_permutation_without_overflow():
    one, order = 100 * rows(15, 2), torch.randperm(15, generator=torch.Generator().manual_seed(3))
    plan = sinkhorn_map(one[order], one, 1e-3)
    assert torch.isfinite(plan).all()
    assert torch.equal(plan.argmax(1), order)


def test_gradients():
    arguments = rows(4, 0).requires_grad_(), rows(5, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: soft_map(a, b, 0.7), arguments)
    assert torch.autograd.gradcheck(lambda a, b: sinkhorn_map(a, b, 0.7, iterations=5), arguments)


def test_temperature_must_be_positive():
    with pytest.raises(InvalidInput, match="temperature"):
        soft_map(rows(3, 0), rows(3, 1), 0.0)
