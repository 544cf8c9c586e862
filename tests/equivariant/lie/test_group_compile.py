"""The groups inside torch.compile(fullgraph=True): one graph, the same numbers and the same gradients."""

import pytest
import torch

from geokit.equivariant.lie import CSO, SE, SL, SO, GLPlus, Sim

GROUPS = [kind(n) for n in (2, 3) for kind in (SO, SL, CSO, SE, Sim, GLPlus)]


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_decompositions_compile_with_gradients(group):
    torch._dynamo.reset()
    compiled = torch.compile(lambda g: group.recompose(*group.decompose(g)), fullgraph=True, backend="aot_eager")
    g = group.sample(4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = compiled(g)
    assert torch.allclose(out, g, atol=1e-12)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    want = torch.autograd.grad((weights * group.recompose(*group.decompose(g))).sum(), g)[0]
    assert torch.allclose(torch.autograd.grad((weights * out).sum(), g)[0], want, atol=1e-12)
    assert float(want.abs().max()) > 0.1


@pytest.mark.parametrize("group", [GLPlus(2), GLPlus(3), SE(2)], ids=repr)
def test_exponentials_and_logarithms_compile(group):
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: group.log(group.exp(x)), fullgraph=True, backend="aot_eager")
    x = group.hat(0.3 * torch.randn(4, group.dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    assert torch.allclose(compiled(x), x, atol=1e-12)


def test_a_wrong_shape_is_refused_while_compiling():
    torch._dynamo.reset()
    compiled = torch.compile(GLPlus(2).inverse, backend="aot_eager")
    with pytest.raises(Exception, match=r"elements of GLPlus\(2\)"):
        compiled(torch.eye(3))
