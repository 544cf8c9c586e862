"""Local cosines of one axis: orthonormal, smooth, and their sums what they should be."""

import pytest
import torch

from geokit.fields.cosine_axis import CosineAxis

SIZES = [(1, 16), (5, 16), (16, 16), (37, 16), (64, 16), (100, 7), (45, 2)]


@pytest.mark.parametrize(("size", "tile"), SIZES)
def test_orthonormal_and_complete(size: int, tile: int) -> None:
    axis = CosineAxis.cut(size, tile)
    matrix = axis.analyse(torch.eye(size, dtype=torch.float64))
    rows = torch.cat([matrix[t, :width] for t, width in enumerate(axis.widths())])
    torch.testing.assert_close(rows @ rows.T, torch.eye(size, dtype=torch.float64), atol=1e-13, rtol=0)


@pytest.mark.parametrize(("size", "tile"), SIZES)
def test_synthesis_undoes_analysis(size: int, tile: int) -> None:
    axis = CosineAxis.cut(size, tile)
    signal = torch.randn(size, 2, 3, dtype=torch.float64)
    back = axis.synthesise(axis.analyse(signal), torch.arange(size, dtype=torch.float64) + 0.5)
    torch.testing.assert_close(back, signal)


def test_functions_are_twice_differentiable_at_every_border() -> None:
    axis = CosineAxis.cut(45, 9)
    coefficients = torch.randn(axis.tiles, axis.widest, dtype=torch.float64)
    edges = torch.tensor(axis.borders[1:-1], dtype=torch.float64)
    middles = (edges[1:] + edges[:-1]) / 2  # where windows end
    step = 1e-6
    for places in (edges, middles):
        sides = []
        for side in (-step, step):
            x = (places + side).requires_grad_()
            value = axis.synthesise(coefficients, x)
            first = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
            second = torch.autograd.grad(first.sum(), x)[0]
            sides.append(torch.stack([value, first, second]).detach())
        scale = torch.stack(sides).abs().amax()
        assert (sides[0] - sides[1]).abs().max() < 1e-4 * scale


def test_goes_on_as_its_mirror_image() -> None:
    axis = CosineAxis.cut(40, 8)
    coefficients = torch.randn(axis.tiles, axis.widest, dtype=torch.float64)
    x = torch.linspace(0.1, 3, 7, dtype=torch.float64)
    torch.testing.assert_close(axis.synthesise(coefficients, x), axis.synthesise(coefficients, -x))
    torch.testing.assert_close(axis.synthesise(coefficients, 40 - x), axis.synthesise(coefficients, 40 + x))
