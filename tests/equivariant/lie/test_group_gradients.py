"""Gradients of every map of the groups, where they are hardest: identity, equal eigenvalues, zero."""

import pytest
import torch

from geokit.equivariant.lie import CSO, SE, SL, SO, Affine, GLPlus, Sim

GROUPS = [
    SO(2), SO(3), SE(2), SE(3), CSO(2), Sim(2), Sim(3), SL(2), SL(3), GLPlus(2), GLPlus(3), Affine(GLPlus(2)),
    Affine(GLPlus(3)),
]  # fmt: skip


def hard_elements(group):
    """The identity, near it, in the middle, far, and with equal singular values: (6, size, size)."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(6, group.dim, generator=generator, dtype=torch.float64)
    v = v / v.norm(dim=-1, keepdim=True) * torch.tensor([0.0, 1e-6, 1e-3, 0.5, 1.0, 0.8], dtype=torch.float64)[:, None]
    v[5, : group.complement_dim] = 0.0
    g = group.exp(group.hat(v))
    if isinstance(group, GLPlus):
        g[4] = group.sample(1, condition=30.0, generator=generator)[0]
    return g


def gradcheck(function, *arguments):
    """Every entry of the Jacobian for 2x2 matrices, random combinations of its rows and columns for larger ones."""
    fast = arguments[0].shape[-1] > 2
    arguments = tuple(argument.clone().requires_grad_() for argument in arguments)
    assert torch.autograd.gradcheck(function, arguments, eps=1e-5, atol=1e-6, rtol=1e-6, fast_mode=fast)


@pytest.mark.parametrize("name", ["decompose", "features", "inverse", "adjoint"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_gradients_of_elements(group, name):
    def joined(g):
        result = getattr(group, name)(g)
        return torch.cat(result, dim=-1) if isinstance(result, tuple) else result

    gradcheck(joined, hard_elements(group))


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_gradients_of_logarithms(group):
    g = hard_elements(group)
    gradcheck(group.log, g[group.log(g).isfinite().all(-1).all(-1)])
    assert bool(group.log(g)[:4].isfinite().all())


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_gradients_of_the_algebra(group):
    g = hard_elements(group)
    x, k = group.decompose(g)
    gradcheck(group.exp, torch.cat([x[:2], x[4:5], group.hat(0.3 * torch.randn(1, group.dim, dtype=torch.float64))]))
    gradcheck(group.recompose, x[[0, 2, 4]], k[[0, 2, 4]])
    gradcheck(group.inverse_from, x[[1, 3, 5]], k[[1, 3, 5]])
    gradcheck(group.haar_density, group.complement_hat(0.5 * torch.randn(3, group.complement_dim, dtype=torch.float64)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_gradients_at_the_identity_are_the_linear_ones(group, dtype):
    """There exp(x) = 1 + x, log g = g - 1 and ad x = 0 to first order: each differential is known."""
    one = group.identity(1, dtype=dtype).requires_grad_()
    zero = torch.zeros(1, group.size, group.size, dtype=dtype, requires_grad=True)
    weights = group.hat(torch.randn(1, group.dim, dtype=dtype))
    grad = torch.autograd.grad((weights * group.log(one)).sum(), one)[0]
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert torch.allclose(group.vee(grad), group.vee(weights), atol=tolerance)
    grad = torch.autograd.grad((weights * group.exp(zero)).sum(), zero)[0]
    assert torch.allclose(group.vee(grad), group.vee(weights), atol=tolerance)
    x, k = group.decompose(one)
    grad = torch.autograd.grad((weights * (x + k)).sum(), one)[0]
    assert torch.allclose(group.vee(grad), group.vee(weights), atol=tolerance)


@pytest.mark.parametrize("group", [GLPlus(2), Affine(GLPlus(2)), Sim(2), SO(3)], ids=repr)
def test_second_derivatives_of_closed_forms(group):
    x = group.hat(0.3 * torch.randn(2, group.dim, dtype=torch.float64))
    x[0] = 0
    assert torch.autograd.gradgradcheck(group.exp, (x.requires_grad_(),), atol=1e-6, rtol=1e-6)
