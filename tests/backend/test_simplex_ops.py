"""The transform of simplices as operators: schemas, and the kernels against the formula in plain torch."""

import pytest
import torch

from geokit.backend import simplex_ops as ops
from tests.reference import simplex_fourier_by_recursion as reference
from tests.reference.comparison import assert_close


def inputs(corners, dtype=torch.float64):
    g = torch.Generator().manual_seed(corners)
    places = torch.rand(5, corners, 3, generator=g, dtype=torch.float64)
    places[1, :] = places[1, :1]  # no content
    places[2, :, 1] = places[2, 0, 1]  # phases that coincide
    weights = torch.randn(5, 2, generator=g, dtype=torch.float64)
    return places.to(dtype).requires_grad_(), weights.to(dtype).requires_grad_()


GRID = torch.tensor([[0.0, -2.0, -3.0], [1.0, 1.0, 0.5]], dtype=torch.float64), [2, 3, 37]
LIST = torch.randn(21, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), [21]


@pytest.mark.parametrize("corners", [1, 2, 3, 4])
@pytest.mark.parametrize("modes", [GRID, LIST], ids=["grid", "list"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_kernel_agrees_with_the_formula(corners, modes, dtype):
    places, weights = inputs(corners, dtype)
    tolerance = 1e-11 if dtype == torch.float64 else 3e-6
    out = ops.simplex_fourier(places, weights, *modes)
    exact = [t.detach().double().requires_grad_() for t in (places, weights)]
    expected = reference.simplex_fourier(*exact, *modes)
    assert_close("values", out, expected, tolerance)
    bar = torch.randn_like(out)
    bars = torch.autograd.grad(out, (places, weights), bar)
    for name, one, other in zip(("places", "weights"), bars, torch.autograd.grad(expected, exact, bar.double())):
        assert_close(name, one, other, 10 * tolerance)
    (alone,) = torch.autograd.grad(ops.simplex_fourier(places.detach(), weights, *modes), weights, bar)
    assert_close("weights alone", alone, bars[1], tolerance)


@pytest.mark.parametrize("modes", [GRID, LIST], ids=["grid", "list"])
def test_operators_are_complete(modes):
    places, weights = inputs(3)
    torch.library.opcheck(torch.ops.geokit.simplex_fourier.default, (places, weights, *modes))
    out_bar = torch.ones(2, *modes[1], 2, dtype=torch.float64)
    for by_places in (True, False):
        arguments = (places.detach(), weights.detach(), modes[0], out_bar, modes[1], by_places)
        torch.library.opcheck(torch.ops.geokit.simplex_fourier_backward.default, arguments)
    (pull,) = torch.autograd.grad(ops.simplex_fourier(places, weights.detach(), *modes).sum(), places)
    assert bool(pull.isfinite().all())
    (pull,) = torch.autograd.grad(ops.simplex_fourier(places.detach(), weights, *modes).sum(), weights)
    assert bool(pull.isfinite().all())
