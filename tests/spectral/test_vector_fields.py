import math
from functools import cache

import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.spectral.vector_fields import TangentBasis, VectorFieldPrior, fit_vector_field, tangent_basis
from tests.geometry.shapes import sphere, torus


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@cache
def basis() -> TangentBasis:
    return tangent_basis(torus(16, 10, minor=0.8), 24)


def prior(length: float = 1.2, noise: float = 0.01) -> VectorFieldPrior:
    return VectorFieldPrior(basis(), number(0.7), number(length), number(noise))


def observations(count: int = 15) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    vertices = torch.randperm(160, generator=generator)[:count]
    field = prior().sample(1, generator)[0]
    return vertices, field[vertices] + 0.1 * torch.randn(count, 3, generator=generator, dtype=torch.float64)


def test_posterior_is_that_of_the_dense_formulas():
    vertices, vectors = observations()
    everywhere, here = torch.arange(160), prior()
    values = torch.einsum("md,mcd->mc", vectors, basis().frames[vertices]).reshape(-1)
    among = here.covariance(vertices, vertices) + 0.01 * torch.eye(30, dtype=torch.float64)
    across = here.covariance(everywhere, vertices)
    mean = across @ torch.linalg.solve(among, values)
    spread = here.covariance(everywhere, everywhere) - across @ torch.linalg.solve(among, across.T)
    got = here.posterior(vertices, vectors)
    in_space = torch.einsum("nc,ncd->nd", mean.reshape(-1, 2), basis().frames)
    assert torch.allclose(got.mean, in_space, atol=1e-9)
    assert torch.allclose(got.variance, spread.diagonal().reshape(-1, 2).sum(1), atol=1e-9)


def test_likelihood_is_that_of_a_normal_distribution():
    vertices, vectors = observations()
    values = torch.einsum("md,mcd->mc", vectors, basis().frames[vertices]).reshape(-1)
    among = prior().covariance(vertices, vertices) + 0.01 * torch.eye(30, dtype=torch.float64)
    want = torch.distributions.MultivariateNormal(torch.zeros(30, dtype=torch.float64), among).log_prob(values)
    assert torch.allclose(prior().log_marginal_likelihood(vertices, vectors), want, rtol=1e-9)


def test_gradients_of_the_likelihood():
    vertices, vectors = observations(6)

    def likelihood(variance, length, noise, vectors):
        return VectorFieldPrior(basis(), variance, length, noise).log_marginal_likelihood(vertices, vectors)

    numbers = [number(v).requires_grad_() for v in (0.7, 1.2, 0.02)]
    assert torch.autograd.gradcheck(likelihood, (*numbers, vectors.requires_grad_()))


def test_variance_is_what_was_asked_for():
    """On average over the mesh; on a sphere, with whole eigenspaces, everywhere."""
    own = tangent_basis(sphere(3), 6 + 10 + 14 + 18)
    here = VectorFieldPrior(own, number(0.7), number(0.8), number(0.01))
    vertices = torch.arange(len(own.frames))
    variances = here.covariance(vertices, vertices).diagonal().reshape(-1, 2).sum(1)
    assert torch.allclose(variances, number(1.4).expand_as(variances), rtol=0.03)


def test_kernel_turns_with_the_sphere():
    """A fifth of a turn about a vertex of the icosahedron maps vertices to vertices, and the kernel to itself."""
    mesh = sphere(2)
    own = tangent_basis(mesh, 6 + 10)
    here = VectorFieldPrior(own, number(1.0), number(0.8), number(0.01))
    axis = mesh.vertices[0]
    angle = number(2 * math.pi / 5)
    cross = torch.linalg.cross(axis.expand(3, 3), torch.eye(3, dtype=torch.float64)).T
    turn = torch.eye(3, dtype=torch.float64) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    distances, moved = torch.cdist(mesh.vertices @ turn.T, mesh.vertices).min(1)
    assert float(distances.max()) < 1e-6

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        blocks = here.covariance(a, b).reshape(len(a), 2, len(b), 2)
        return torch.einsum("aibj,aid,bje->abde", blocks, own.frames[a], own.frames[b])

    some, others = torch.arange(0, 160, 7), torch.arange(3, 160, 11)
    want = turn @ kernel(some, others) @ turn.T
    assert torch.allclose(kernel(moved[some], moved[others]), want, atol=1e-8)


def test_numbers_are_found_again():
    generator = torch.Generator().manual_seed(4)
    vertices = torch.arange(160)
    field = prior(length=1.2).sample(1, generator)[0]
    noisy = field + 0.1 * torch.randn(160, 3, generator=generator, dtype=torch.float64)
    found = fit_vector_field(basis(), vertices, noisy)
    assert 0.006 < float(found.noise) < 0.015
    assert 0.6 < float(found.length) < 2.4
    better = found.log_marginal_likelihood(vertices, noisy)
    assert float(better) >= float(prior(length=1.2).log_marginal_likelihood(vertices, noisy)) - 0.5
    error = (found.posterior(vertices, noisy).mean - field).square().sum(1).mean()
    assert float(error) < 0.5 * 2 * 0.01  # half of the noise of the two tangent components


def test_what_is_seen_is_sure_and_what_is_far_is_not():
    vertices, vectors = observations(15)
    here = prior(noise=1e-6)
    got = here.posterior(vertices[:4], vectors[:4])
    normal = torch.linalg.cross(basis().frames[:, 0], basis().frames[:, 1])
    tangent = vectors[:4] - normal[vertices[:4]] * (normal[vertices[:4]] * vectors[:4]).sum(1, keepdim=True)
    assert torch.allclose(got.mean[vertices[:4]], tangent, atol=1e-3)
    assert float(got.variance[vertices[:4]].max()) < 1e-5
    assert float(got.variance.max()) > 0.5
    assert float((got.mean * normal).sum(1).abs().max()) < 1e-12


def test_bad_arguments():
    with pytest.raises(InvalidInput, match="want 0 to 159"):
        prior().posterior(torch.tensor([160]), torch.ones(1, 3))
    with pytest.raises(InvalidInput, match="vectors"):
        prior().posterior(torch.tensor([1]), torch.ones(2, 3))
    with pytest.raises(InvalidInput, match="tangent"):
        fit_vector_field(basis(), torch.tensor([1]), torch.zeros(1, 3))
