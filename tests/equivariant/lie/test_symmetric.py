"""Functions of symmetric matrices against scipy, and their gradients at equal eigenvalues."""

import numpy as np
import pytest
import scipy.linalg
import torch

from geokit.equivariant.lie.small_eigen import singular_values, symmetric_eigen
from geokit.equivariant.lie.symmetric import FUNCTIONS, symmetric_functions
from tests.reference import lie as reference


def symmetric(n, count, positive=False, seed=0):
    """The zero matrix (or the identity), two equal eigenvalues, nearly equal ones, then random ones."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, n, generator=generator, dtype=torch.float64)
    values[0] = 0.0
    if n > 1:
        values[1, :2] = 0.7
        values[2, 1] = values[2, 0] + 1e-9
    q = torch.linalg.qr(torch.randn(count, n, n, generator=generator, dtype=torch.float64))[0]
    return (q * (values.exp() if positive else values)[:, None, :]) @ q.mT


REFERENCES = {
    "exp": reference.exponential,
    "log": reference.logarithm,
    "sqrt": lambda s: torch.from_numpy(np.real(scipy.linalg.sqrtm(s.numpy()))),
    "rsqrt": lambda s: torch.linalg.inv(torch.from_numpy(np.real(scipy.linalg.sqrtm(s.numpy())))),
    "phi1": reference.phi1,
    "reciprocal_phi1": lambda s: torch.linalg.inv(reference.phi1(s)),
}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_values(name, n):
    s = symmetric(n, 5, positive=name in ("log", "sqrt", "rsqrt"))
    (got,) = symmetric_functions(s, name)
    want = torch.stack([REFERENCES[name](one) for one in s])
    assert torch.allclose(got, want, atol=1e-12)
    assert torch.equal(got.shape and got.mT, got.mT)
    assert symmetric_functions(s[:0], name)[0].shape == (0, n, n)


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_gradients_at_equal_eigenvalues(name, n):
    s = symmetric(n, 4, positive=name in ("log", "sqrt", "rsqrt")).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: symmetric_functions(0.5 * (m + m.mT), name)[0], (s,), atol=1e-6)


def test_one_decomposition_for_several_functions():
    s = symmetric(3, 4).requires_grad_()
    both = symmetric_functions(s, "exp", "phi1")
    assert torch.equal(both[0], symmetric_functions(s, "exp")[0])
    grads = [torch.autograd.grad(f.sum(), s, retain_graph=True)[0] for f in both]
    assert torch.allclose(torch.autograd.grad(both[0].sum() + both[1].sum(), s)[0], grads[0] + grads[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_matrices_at_once_are_as_accurate_as_lapack(dtype):
    """Random ones, equal eigenvalues, small integers, diagonal and rank-one matrices, condition numbers up to 1e6."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(6000, 3, 3, generator=generator, dtype=torch.float64)
    integers = torch.randint(-2, 3, (3000, 3, 3), generator=generator).double()
    column = torch.randn(500, 3, 1, generator=generator, dtype=torch.float64)
    stretched = a[:3000] @ torch.diag(torch.tensor([1.0, 1e-3, 1e-6], dtype=torch.float64)) @ a[3000:]
    cases = [a, integers, torch.eye(3).double().repeat(10, 1, 1), column @ column.mT, stretched, 1e-12 * a, 1e12 * a]
    matrices = torch.cat(cases).to(dtype)
    symmetric_ones = matrices + matrices.mT
    eps = torch.finfo(dtype).eps
    size = symmetric_ones.abs().amax((-2, -1))
    values, vectors = symmetric_eigen(symmetric_ones)
    assert float((vectors.mT @ vectors - torch.eye(3, dtype=dtype)).abs().max()) < 20 * eps
    rebuilt = (vectors * values[:, None, :]) @ vectors.mT
    assert bool(((rebuilt - symmetric_ones).abs().amax((-2, -1)) <= 20 * eps * size).all())
    lapack = torch.linalg.eigvalsh(symmetric_ones.double())
    assert bool(((values.sort(-1).values.double() - lapack).abs().amax(-1) <= 20 * eps * size).all())

    regular = torch.cat([a[torch.linalg.cond(a) < 1e4], stretched if dtype == torch.float64 else a[:0]]).to(dtype)
    u, s, vh = singular_values(regular)
    one = torch.eye(3, dtype=dtype)
    assert float((u.mT @ u - one).abs().max()) < 20 * eps
    assert float((vh @ vh.mT - one).abs().max()) < 20 * eps
    size = torch.linalg.matrix_norm(regular)
    assert bool(((u @ (s[..., None] * vh) - regular).abs().amax((-2, -1)) <= 20 * eps * size).all())
    assert bool(((s.sort(-1).values - torch.linalg.svdvals(regular).flip(-1)).abs().amax(-1) <= 20 * eps * size).all())
    shaped = symmetric_eigen(symmetric_ones[:1200].reshape(2, 600, 3, 3))
    assert torch.equal(shaped[0].flatten(0, 1), values[:1200])
    assert torch.equal(shaped[1].flatten(0, 1), vectors[:1200])
