"""Grids of several resolutions on the GPU, against the CPU."""

import pytest
import torch

from geokit.backend.grid_layout import BASES, GridLayout
from geokit.backend.grid_ops import grid_encode
from tests.backend.test_grid_encode import case
from tests.reference.agreement import assert_agrees


def encoding(layout):
    """Features, and the slopes of one of their functions, which are differentiated in their turn."""

    def function(x, table):
        out = grid_encode(x, table, layout)
        slopes = torch.autograd.grad(out.square().sum(), (x, table), create_graph=True)
        return [out, *slopes]

    return function


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("dimension", "features", "rows"), [(2, 1, 53), (2, 2, 64), (3, 2, 5), (3, 3, 200), (2, 4, 7)])
def test_values_and_two_gradients(device, dimension, features, rows, basis):
    x, table, layout = case(dimension, features, basis, rows=rows, shift=12345678901)
    assert_agrees(device, encoding(layout), x.requires_grad_(), table.requires_grad_())


@pytest.mark.parametrize("by", ["x", "table"])
def test_one_gradient_alone(device, by):
    x, table, layout = case(3, 2, "smoothstep")
    (x if by == "x" else table).requires_grad_()
    assert_agrees(device, lambda x, table: grid_encode(x, table, layout), x, table)


@pytest.mark.parametrize("points", [0, 1, 255, 257])
def test_any_number_of_points(device, points):
    x, table, layout = case(2, 2, "linear", points=points)
    assert_agrees(device, lambda x, table: grid_encode(x, table, layout), x.requires_grad_(), table.requires_grad_())


def test_points_of_several_blocks_at_a_coarse_level(device):
    x, table, layout = case(2, 1, "linear", points=4500)
    assert_agrees(device, lambda x, table: grid_encode(x, table, layout), x, table.requires_grad_())


def test_tables_too_large_for_shared_memory(device):
    """Some levels are summed up there, others are not, and there are more than a launch is told of."""
    g = torch.Generator().manual_seed(0)
    layout = GridLayout.of([(3 + 9 * (level % 4), 5 + 2 * level) for level in range(19)] + [(100, 90)], 9001)
    x = torch.rand(60, 2, generator=g, dtype=torch.float64).requires_grad_()
    table = torch.randn(layout.table_rows, 2, generator=g, dtype=torch.float64).requires_grad_()
    assert layout.rows[-1] * 2 * 4 > 32 << 10 > layout.rows[0] * 2 * 8
    assert_agrees(device, encoding(layout), x, table)


def test_tables_that_begin_anywhere(device):
    """Rows are read as a whole only where they lie so that they can be."""
    x, table, layout = case(2, 4, "linear")
    flat = torch.randn(table.numel() + 1, dtype=torch.float64).requires_grad_()
    assert_agrees(device, lambda x, flat: grid_encode(x, flat[1:].view(-1, 4), layout), x, flat)


def test_a_point_that_is_no_number_stays_none(device):
    x, table, layout = case(2, 2, "linear", dtype=torch.float32)
    x[4], x[5], x[6] = float("nan"), float("inf"), -float("inf")
    out = device(grid_encode, x, table, layout)
    assert out[4:7].isnan().any(1).logical_or(out[4:7].isinf().any(1)).all()
    assert out[7:].isfinite().all()


def test_third_derivatives(device):
    _, table, layout = case(2, 2, "smoothstep", points=5)
    x = 0.05 + 0.9 * torch.rand(5, 2, dtype=torch.float64)

    def bends(x, table):
        slope = torch.autograd.grad(grid_encode(x, table, layout).square().sum(), x, create_graph=True)[0]
        return torch.autograd.grad(slope.square().sum(), x, create_graph=True)[0]

    assert_agrees(device, bends, x.requires_grad_(), table.requires_grad_(), dtypes=(torch.float64,))


def test_the_same_bits_where_they_are_asked_for(device):
    x, table, layout = case(3, 2, "spline", points=140)
    function = encoding(layout)
    torch.use_deterministic_algorithms(True)
    try:
        assert_agrees(device, function, x.requires_grad_(), table.requires_grad_())
        first, second = (device(function, x.float(), table.float()) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(first, second))
    finally:
        torch.use_deterministic_algorithms(False)
