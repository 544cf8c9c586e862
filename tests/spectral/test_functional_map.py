"""Functional maps fitted to descriptors."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.conversions import functional_map_of
from geokit.spectral.functional_map import (
    fit_functional_map,
    orientation_operators,
    product_operators,
    resolvent_mask,
    slanted_mask,
    solve_functional_map,
    solve_with_operators,
)
from geokit.spectral.gradients import vertex_gradients
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


def test_operators_of_a_permuted_copy_commute_with_its_map(pair):
    shape1, shape2, p2p = pair
    functions = shape1.basis.synthesize(random(40, 3) - 0.5)
    exact = functional_map_of(p2p, shape1.basis, shape2.basis)
    gradients = vertex_gradients(shape1.mesh), vertex_gradients(shape2.mesh)
    for make in (
        lambda f, s, g: product_operators(f, s.basis),
        lambda f, s, g: orientation_operators(f, s.basis, g),
    ):
        one, two = make(functions, shape1, gradients[0]), make(functions[p2p], shape2, gradients[1])
        assert one.norm() > 1e-3
        torch.testing.assert_close(exact @ one, two @ exact, atol=1e-6 * float(one.norm()), rtol=0)


def test_orientation_operators_change_sign_on_the_mirrored_shape(pair):
    shape = pair[0]
    mirrored = Mesh(shape.mesh.vertices * torch.tensor([-1.0, 1, 1], dtype=torch.float64), shape.mesh.faces.flip(1))
    functions = shape.basis.synthesize(random(40, 2) - 0.5)
    plain = orientation_operators(functions, shape.basis, vertex_gradients(shape.mesh))
    torch.testing.assert_close(orientation_operators(functions, shape.basis, vertex_gradients(mirrored)), -plain)


def test_fit_with_operators_is_where_the_gradient_of_the_energy_vanishes_and_is_differentiable():
    a, b, penalty = random(4, 3), random(5, 3, seed=1), random(5, 4, seed=2)
    x, y = random(2, 4, 4, seed=3), random(2, 5, 5, seed=4)
    found = solve_with_operators(a, b, penalty, x, y).requires_grad_()
    energy = (found @ a - b).square().sum() + (penalty * found.square()).sum() + (found @ x - y @ found).square().sum()
    (gradient,) = torch.autograd.grad(energy, found)
    assert gradient.abs().max() < 1e-11
    arguments = [t.clone().requires_grad_() for t in (a, b, penalty, x, y)]
    assert torch.autograd.gradcheck(solve_with_operators, arguments)


def test_few_descriptors_and_operators_give_the_map_of_a_permuted_copy(pair):
    shape1, shape2, p2p = pair
    basis1, basis2 = shape1.basis.first(12), shape2.basis.first(12)
    descriptors = basis1.synthesize(random(12, 3) - 0.5)
    gradients = vertex_gradients(shape1.mesh), vertex_gradients(shape2.mesh)
    weights = {"product_weight": 1.0, "orientation_weight": 1.0, "gradients": gradients}
    fitted = fit_functional_map(descriptors, descriptors[p2p], basis1, basis2, **weights)
    torch.testing.assert_close(fitted, functional_map_of(p2p, basis1, basis2), atol=1e-5, rtol=0)
    with pytest.raises(InvalidInput, match="gradients of both"):
        fit_functional_map(descriptors, descriptors[p2p], basis1, basis2, orientation_weight=1.0)


def test_slanted_mask_is_least_on_its_diagonal():
    mask = slanted_mask(20, 40, slope=0.5)
    assert (mask[:, ::2].argmin(0) == torch.arange(20)).all()
    assert 0 <= mask.min() < mask.max() < 1
