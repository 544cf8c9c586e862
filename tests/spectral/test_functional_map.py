"""Functional maps fitted to descriptors."""

import pytest
import torch

from geokit.spectral.conversions import functional_map_of
from geokit.spectral.functional_map import fit_functional_map, resolvent_mask, solve_functional_map
from tests.spectral.asymmetric import permuted_pair


@pytest.fixture(scope="module")
def pair():
    return permuted_pair()


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_descriptors_of_a_permuted_copy_give_its_map(pair):
    shape1, shape2, p2p = pair
    descriptors = shape1.basis.synthesize(random(40, 60) - 0.5)
    fitted = fit_functional_map(descriptors, descriptors[p2p], shape1.basis, shape2.basis)
    torch.testing.assert_close(fitted, functional_map_of(p2p, shape1.basis, shape2.basis), atol=1e-6, rtol=0)


def test_closed_form_is_where_the_gradient_of_the_energy_vanishes():
    a, b, penalty = random(6, 4), random(5, 4, seed=1), random(5, 6, seed=2)
    found = solve_functional_map(a, b, penalty).requires_grad_()
    energy = (found @ a - b).square().sum() + (penalty * found.square()).sum()
    (gradient,) = torch.autograd.grad(energy, found)
    assert gradient.abs().max() < 1e-12


def test_batches_and_gradients_of_the_closed_form():
    a, b, penalty = random(3, 4, 5), random(3, 6, 5, seed=1), random(3, 6, 4, seed=2)
    batched = solve_functional_map(a, b, penalty)
    for i in range(3):
        torch.testing.assert_close(batched[i], solve_functional_map(a[i], b[i], penalty[i]))
    arguments = [t[:2].clone().requires_grad_() for t in (a, b, penalty)]
    assert torch.autograd.gradcheck(solve_functional_map, arguments)


def test_resolvent_mask_is_zero_where_eigenvalues_agree():
    values = torch.arange(5.0, dtype=torch.float64)
    mask = resolvent_mask(values, values)
    assert mask.diagonal().abs().max() == 0
    assert (mask + torch.eye(5) > 0).all()
