"""The groups inside torch.compile(fullgraph=True): one graph, the same numbers and the same gradients."""

import pytest
import torch

from geokit.equivariant.lie import GLPlus


@pytest.mark.parametrize("group", [GLPlus(2), GLPlus(3)], ids=repr)
def test_decompositions_compile_with_gradients(group):
    torch._dynamo.reset()
    compiled = torch.compile(lambda g: group.recompose(*group.decompose(2 * g)), fullgraph=True, backend="aot_eager")
    g = group.sample(4).requires_grad_()
    compiled(g).square().sum().backward()
    # recompose(decompose(2 g)) is 2 g.
    assert torch.allclose(compiled(g), 2 * g, atol=1e-12)
    assert torch.allclose(g.grad, 8 * g, atol=1e-12)


@pytest.mark.parametrize("group", [GLPlus(2), GLPlus(3)], ids=repr)
def test_exponentials_and_logarithms_compile(group):
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: group.log(group.exp(x)), fullgraph=True, backend="aot_eager")
    x = group.hat(0.3 * torch.randn(4, group.dim, dtype=torch.float64))
    assert torch.allclose(compiled(x), x, atol=1e-12)
