"""The blocked channel mixing against its plain twin: values, gradients, second gradients, compilation."""

import pytest
import torch

from geokit.backend.mixing_ops import ROWS, channel_mixing, plain_mixing
from geokit.errors import InvalidInput


def arguments(rows, channels=3, wide=5, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    shapes = [(rows, channels), *[(channels,)] * 3, (wide, channels), (wide,), (channels, wide), (channels,)]
    return [torch.randn(*s, dtype=dtype, generator=g).requires_grad_() for s in shapes]


@pytest.mark.parametrize("rows", [0, 1, ROWS, 2 * ROWS + 7])
def test_equals_the_plain_formula_with_all_gradients(rows):
    arrays = arguments(rows)
    torch.testing.assert_close(channel_mixing(*arrays), plain_mixing(*arrays))
    if not rows:
        return
    bar = torch.randn(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(channel_mixing(*arrays), arrays, bar)
    for a, b in zip(ours, torch.autograd.grad(plain_mixing(*arrays), arrays, bar)):
        torch.testing.assert_close(a, b)


def test_gradients_and_second_gradients():
    assert torch.autograd.gradcheck(channel_mixing, arguments(4))
    assert torch.autograd.gradgradcheck(channel_mixing, arguments(2, 2, 3))


def test_one_wide_tensor_is_kept_for_the_backward_pass():
    arrays = arguments(3000, 4, 64)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        channel_mixing(*arrays)
    assert [shape for shape in kept if len(shape) == 2 and shape[0] == 3000 and shape[1] > 4] == [(3000, 64)]


def test_operator_is_sound_and_compiles():
    arrays = arguments(6)
    torch.library.opcheck(torch.ops.geokit.channel_mixing.default, arrays)
    compiled = torch.compile(channel_mixing, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arrays), channel_mixing(*arrays))


def test_wrong_shapes_get_a_sentence():
    arrays = arguments(6)
    with pytest.raises(InvalidInput, match="down must have shape"):
        channel_mixing(*arrays[:6], arrays[4], arrays[7])
