"""The convolution over orientations against its plain twin: values, gradients of both orders, threads, compilation."""

import pytest
import torch

from geokit.backend.orientation_ops import orientation_convolution
from geokit.errors import InvalidInput


def plain_convolution(features, kernel):
    return torch.einsum("noc,poc->npc", features, kernel)


def arguments(nodes, orientations, channels, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    features = torch.randn(nodes, orientations, channels, generator=g, dtype=torch.float64)
    kernel = torch.randn(orientations, orientations, channels, generator=g, dtype=torch.float64)
    return features.to(dtype).requires_grad_(), kernel.to(dtype).requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "shape", [(0, 4, 16), (1, 1, 1), (7, 5, 3), (131, 12, 64), (70, 20, 33), (3, 9, 128), (530, 2, 16)]
)
def test_equals_the_plain_formula_with_its_gradients(shape, dtype):
    ours, twin = arguments(*shape, dtype=dtype), arguments(*shape)
    bar = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    results = []
    for arrays, function in ((ours, orientation_convolution), (twin, plain_convolution)):
        out = function(*arrays)
        results.append((out, *torch.autograd.grad(out, arrays, bar.to(out))))
    for a, b in zip(*results):
        torch.testing.assert_close(
            a.double(),
            b,
            rtol=1e-10 if dtype == torch.float64 else 1e-4,
            atol=1e-4 if dtype == torch.float32 else 1e-10,
        )


def test_gradients_and_second_gradients():
    arrays = arguments(3, 4, 5)
    assert torch.autograd.gradcheck(orientation_convolution, arrays)
    assert torch.autograd.gradgradcheck(orientation_convolution, arrays)


def test_the_number_of_threads_changes_no_bit():
    arrays = arguments(600, 12, 64, torch.float32)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out = orientation_convolution(*arrays)
            results.append((out, *torch.autograd.grad(out, arrays, torch.ones_like(out))))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_operator_is_sound_and_compiles():
    arrays = arguments(3, 4, 16)
    torch.library.opcheck(torch.ops.geokit.orientation_convolution.default, arrays)
    compiled = torch.compile(orientation_convolution, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arrays), plain_convolution(*arrays))


def test_wrong_shapes_get_a_sentence():
    features, kernel = arguments(3, 4, 5)
    with pytest.raises(InvalidInput, match="an orientation and a channel"):
        orientation_convolution(torch.zeros(3, 0, 16), torch.zeros(0, 0, 16))
    with pytest.raises(InvalidInput, match="kernel must have shape"):
        orientation_convolution(features, kernel[:3])
