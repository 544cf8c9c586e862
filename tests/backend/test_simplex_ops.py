"""The transform of simplices as operators: schemas, and the formulas in plain torch that other devices run."""

import pytest
import torch

from geokit.backend import simplex_ops as ops
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
def test_the_formula_agrees_with_the_kernel(corners, modes, dtype):
    places, weights = inputs(corners, dtype)
    tolerance = 1e-11 if dtype == torch.float64 else 3e-6
    out = ops.simplex_fourier(places, weights, *modes)
    assert_close("values", ops.fourier_by_formula(places, weights, *modes), out, tolerance)
    bar = torch.randn_like(out)
    bars = torch.autograd.grad(out, (places, weights), bar)
    found = ops.backward_by_formula(places.detach(), weights.detach(), modes[0], bar, modes[1], True)
    for name, one, other in zip(("places", "weights"), found, bars):
        assert_close(name, one, other, 10 * tolerance)
    nothing, alone = ops.backward_by_formula(places.detach(), weights.detach(), modes[0], bar, modes[1], False)
    assert not nothing.numel()
    assert_close("weights alone", alone, bars[1], 10 * tolerance)


def test_small_chunks_of_the_formula(monkeypatch):
    places, weights = inputs(3)
    whole = ops.fourier_by_formula(places, weights, *GRID)
    monkeypatch.setattr(ops, "CHUNK", 40)
    assert_close("chunks", ops.fourier_by_formula(places, weights, *GRID), whole, 1e-14)


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
