"""The polar decomposition against scipy, far and near, and the logarithm of general matrices."""

import math

import pytest
import torch

from geokit.equivariant.lie import GLPlus, polar
from geokit.equivariant.lie.matrix_log import matrix_log
from geokit.errors import InvalidInput
from tests.reference import lie as reference


@pytest.mark.parametrize(
    ("n", "condition"), [(1, None), *((n, c) for n in (2, 3, 5) for c in (None, 1.0 + 1e-7, 1e3, 1e6))]
)
def test_against_scipy(n, condition):
    g = GLPlus(n).sample(20, condition=condition, generator=torch.Generator().manual_seed(n))
    x, k = polar(g)
    for i in range(len(g)):
        log, rotation = reference.polar(g[i])
        assert float((k[i] - rotation).abs().max()) < 1e-13 * (condition or 10)
        assert float((x[i] - log).abs().max()) < 1e-13 * (condition or 10)
    assert torch.allclose(x, x.mT, atol=0 if n == 2 else 1e-12)
    assert torch.allclose(torch.linalg.det(k), torch.ones(20, dtype=torch.float64))


@pytest.mark.parametrize("n", [2, 3])
def test_condition_number_is_not_squared(n):
    """In float32, and 1e3 apart: log of the small singular value within eps times 1e3, not 1e6."""
    g = GLPlus(n).sample(1000, condition=1e3, generator=torch.Generator().manual_seed(0))
    error = (polar(g.float())[0].double() - polar(g)[0]).abs().max()
    assert float(error) < 8e-4
    s, vectors = torch.linalg.eigh(g.float() @ g.float().mT)
    plain = (vectors * (0.5 * s.clamp_min(1e-30).log())[:, None, :]) @ vectors.mT
    assert float((plain.double() - polar(g)[0]).abs().max()) > 10 * float(error)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_gradients(n):
    g = GLPlus(n).sample(4, generator=torch.Generator().manual_seed(0))
    g[0] = torch.eye(n)
    g[1] = GLPlus(n).compact_sample(1)[0] * 3
    g[2] = torch.eye(n) + 1e-7 * torch.randn(n, n)
    assert torch.autograd.gradcheck(polar, (g.requires_grad_(),), atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_vmap(n):
    """Values and gradients, one by one and in a loop, with the batch in any place."""
    group = GLPlus(n)
    g = group.sample(6, generator=torch.Generator().manual_seed(0))
    w = torch.randn(2, n, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def number(m):
        x, k = group.decompose(m)
        return (w[0] * x).sum() + (w[1] * k).sum() + (group.log(group.complement_exp(0.3 * (m + m.mT))) * w[0]).sum()

    for batched, one in zip(torch.func.vmap(polar, in_dims=2)(g.permute(1, 2, 0)), zip(*map(polar, g))):
        assert torch.allclose(batched, torch.stack(one), atol=1e-13)
    loop = torch.stack([torch.autograd.functional.jacobian(number, m) for m in g])
    assert torch.allclose(torch.func.vmap(torch.func.grad(number))(g), loop, atol=1e-10)


def test_wrong_matrices():
    for bad in (torch.zeros(2, 3), torch.zeros(3), torch.eye(3, dtype=torch.int64)):
        with pytest.raises(InvalidInput, match="polar decomposition is of float32 or float64 matrices"):
            polar(bad)


def test_many_matrices_at_once():
    """Large batches take another way than small ones: the same values and gradients."""
    g = GLPlus(3).sample(600, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.randn(2, 600, 3, 3, dtype=torch.float64)
    x, k = polar(g)
    grad = torch.autograd.grad((weights[0] * x + weights[1] * k).sum(), g)[0]
    parts = [polar(g[i : i + 100]) for i in range(0, 600, 100)]
    assert torch.allclose(x, torch.cat([part[0] for part in parts]), atol=1e-13)
    assert torch.allclose(k, torch.cat([part[1] for part in parts]), atol=1e-13)
    total = sum((w * p).sum() for w, p in zip(weights, (torch.cat(part) for part in zip(*parts))))
    assert torch.allclose(grad, torch.autograd.grad(total, g)[0], atol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
def test_general_logarithm_against_scipy(n):
    generator = torch.Generator().manual_seed(n)
    x = 0.7 * torch.randn(10, n, n, generator=generator, dtype=torch.float64) / math.sqrt(n)
    g = torch.linalg.matrix_exp(x)
    got = matrix_log(g)
    assert torch.allclose(got, torch.stack([reference.logarithm(one) for one in g]), atol=1e-11)
    assert matrix_log(g.float()).dtype == torch.float32


@pytest.mark.parametrize("n", [2, 3])
def test_general_logarithm_of_defective_and_turning_matrices(n):
    jordan = torch.eye(n, dtype=torch.float64) * 2 + torch.diag(torch.ones(n - 1, dtype=torch.float64), 1)
    turn = torch.eye(n, dtype=torch.float64)
    angle = 3.0
    cos, sin = math.cos(angle), math.sin(angle)
    turn[:2, :2] = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    g = torch.stack([jordan, turn, 5 * turn, torch.eye(n, dtype=torch.float64)])
    log = matrix_log(g)
    assert torch.allclose(torch.linalg.matrix_exp(log), g, atol=1e-12)
    assert float(log[1, 1, 0]) == pytest.approx(3.0, abs=1e-12)
    assert torch.autograd.gradcheck(matrix_log, (g.requires_grad_(),), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n", [2, 3])
def test_general_logarithm_can_be_differentiated_twice(n):
    g = torch.linalg.matrix_exp(
        0.3 * torch.randn(2, n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    assert torch.autograd.gradgradcheck(matrix_log, (g.requires_grad_(),), atol=1e-5)
