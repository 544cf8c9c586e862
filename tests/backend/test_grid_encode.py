"""Grids of several resolutions: values against a reference, derivatives of three orders, threads, operators."""

import pytest
import torch

from geokit.backend import grid_formulas
from geokit.backend.grid_layout import BASES, GridLayout
from geokit.backend.grid_ops import grid_encode
from geokit.errors import InvalidInput
from tests.reference import grid_encode as reference
from tests.reference.comparison import threads

SHAPES = {2: [(3, 5), (9, 8), (40, 33)], 3: [(2, 3, 2), (5, 4, 6), (17, 20, 9)]}


def case(dimension, features, basis, points=37, rows=53, dtype=torch.float64, shift=0):
    """Points, some of them on faces and outside, a table, and a layout whose last level or two are hashed."""
    g = torch.Generator().manual_seed(points + features)
    layout = GridLayout.of(SHAPES[dimension], rows, basis).shifted(shift)
    x = torch.rand(points, dimension, generator=g, dtype=torch.float64)
    if points > 3:
        x[0], x[1], x[2, 0] = 0.0, 1.0, 1.02
    table = torch.randn(layout.table_rows, features, generator=g, dtype=torch.float64)
    return x.to(dtype), table.to(dtype), layout


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("dimension", "features", "rows"), [(2, 1, 53), (2, 2, 64), (3, 2, 1), (3, 3, 200), (2, 4, 7)])
def test_values_are_the_reference(dimension, features, rows, basis):
    for shift in (0, 12345678901):
        x, table, layout = case(dimension, features, basis, rows=rows, shift=shift)
        wanted = reference.grid_encode(x, table, layout.cells, layout.rows, basis, shift)
        torch.testing.assert_close(grid_encode(x, table, layout), wanted, rtol=1e-12, atol=1e-12)
        single = grid_encode(x.float(), table.float(), layout)
        torch.testing.assert_close(single.double(), wanted, rtol=1e-3, atol=3e-4)
        formula = grid_formulas.encode(x.T, table, list(layout.numbers), basis).T
        torch.testing.assert_close(formula, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("dimension", "features"), [(2, 2), (3, 1), (3, 4)])
def test_gradients_are_the_formulas(dimension, features, basis, dtype):
    x, table, layout = case(dimension, features, basis, points=301)
    probe = torch.randn(dimension, 301, dtype=torch.float64)
    bar, table_probe = torch.randn(3 * features, 301, dtype=torch.float64), torch.randn_like(table)
    levels = list(layout.numbers)
    first = (x.T, table, bar)
    inputs = [t.to(dtype).contiguous() for t in (*first, probe, table_probe)]
    exact = dtype == torch.float64
    tolerance = {"rtol": 1e-10, "atol": 1e-8} if exact else {"rtol": 1e-3, "atol": 3e-2}
    for by_x, by_table in ((True, True), (False, True), (True, False)):
        got = torch.ops.geokit.grid_encode_backward(*inputs[:3], levels, basis, by_x, by_table)
        wanted = grid_formulas.backward(*first, levels, basis, by_x, by_table)
        for a, b in zip(got, wanted):
            torch.testing.assert_close(a.double(), b, **tolerance)
    for one, other in ((True, True), (True, False), (False, True)):
        chosen = [p if asked else None for p, asked in zip(inputs[3:], (one, other))]
        got = torch.ops.geokit.grid_encode_second(*inputs[:3], *chosen, levels, basis, True, other or one, True)
        probes = [p if asked else None for p, asked in zip((probe, table_probe), (one, other))]
        wanted = grid_formulas.second(*first, *probes, levels, basis, True, other or one, True)
        for a, b in zip(got, wanted):
            scale = max(float(b.abs().max()), 1.0)
            torch.testing.assert_close(a.double() / scale, b / scale, rtol=1e-3, atol=1e-10 if exact else 1e-4)


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(("dimension", "features"), [(2, 2), (3, 1)])
def test_first_and_second_derivatives(dimension, features, basis):
    x, table, layout = case(dimension, features, basis, points=6)
    x[:3] = torch.rand(3, dimension, dtype=torch.float64) * 0.9 + 0.05  # inside of cells
    inputs = (x.requires_grad_(), table[:, :features].requires_grad_())

    def features_of(x, table):
        return grid_encode(x, table, layout)

    assert torch.autograd.gradcheck(features_of, inputs, eps=1e-7, atol=1e-5)
    assert torch.autograd.gradgradcheck(features_of, inputs, eps=1e-7, atol=1e-4)


def test_third_derivatives():
    x, table, layout = case(2, 2, "smoothstep", points=5)
    x = torch.rand(5, 2, dtype=torch.float64) * 0.9 + 0.05

    def bends(x, table):
        slope = torch.autograd.grad(grid_encode(x, table, layout).square().sum(), x, create_graph=True)[0]
        return torch.autograd.grad(slope.square().sum(), x, create_graph=True)[0]

    assert torch.autograd.gradcheck(bends, (x.requires_grad_(), table.requires_grad_()), eps=1e-7, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("points", [0, 1, 15, 16, 17, 4097])
def test_any_number_of_points(points):
    x, table, layout = case(2, 2, "linear", points=points, dtype=torch.float32)
    x, table = x.requires_grad_(), table.requires_grad_()
    out = grid_encode(x, table, layout)
    assert out.shape == (points, 6)
    grads = torch.autograd.grad(out.sum(), (x, table))
    assert grads[0].shape == x.shape
    # Weights of the sites sum to one, so that each point gives every level and feature of the table one.
    torch.testing.assert_close(grads[1].sum(), torch.tensor(6.0 * points), rtol=1e-4, atol=1e-4)


def test_a_point_that_is_no_number_stays_none():
    x, table, layout = case(2, 2, "linear", dtype=torch.float32)
    x[4], x[5], x[6] = float("nan"), float("inf"), -float("inf")
    out = grid_encode(x, table, layout)
    assert out[4:7].isnan().any(1).logical_or(out[4:7].isinf().any(1)).all()
    assert out[7:].isfinite().all()


def test_same_bits_for_any_thread_count():
    x, table, layout = case(3, 2, "spline", points=9000, dtype=torch.float32)
    results = []
    for count in (1, 2, 3):
        with threads(count):
            a, b = x.clone().requires_grad_(), table.clone().requires_grad_()
            out = grid_encode(a, b, layout)
            slopes = torch.autograd.grad(out.square().sum(), (a, b), create_graph=True)
            again = torch.autograd.grad(slopes[0].square().sum() + slopes[1].square().sum(), (a, b))
            results.append([out, *slopes, *again])
    for other in results[1:]:
        assert all(torch.equal(p, q) for p, q in zip(results[0], other))


def test_operators_are_sound():
    x, table, layout = case(2, 2, "smoothstep", points=5)
    arguments = (x.T.contiguous().requires_grad_(), table.requires_grad_())
    bar = torch.rand(6, 5, dtype=torch.float64, requires_grad=True)
    probes = (torch.rand(2, 5, dtype=torch.float64), torch.rand_like(table))
    options = (list(layout.numbers), "smoothstep")
    ops = torch.ops.geokit
    torch.library.opcheck(ops.grid_encode.default, (*arguments, *options))
    twice = ("test_schema", "test_autograd_registration", "test_faketensor")  # differentiated in eager mode alone
    for values, tests in (
        ((*arguments, bar), {"test_utils": twice}),
        (tuple(t.detach() for t in (*arguments, bar)), {}),
    ):
        torch.library.opcheck(ops.grid_encode_backward.default, (*values, *options, True, True), **tests)
        flags = (*options, True, True, True)
        torch.library.opcheck(ops.grid_encode_second.default, (*values, *probes, *flags), **tests)
        torch.library.opcheck(ops.grid_encode_second.default, (*values, probes[0], None, *flags), **tests)


def test_compiles_whole():
    x, table, layout = case(2, 2, "linear", dtype=torch.float32)
    results = []
    for function in (grid_encode, torch.compile(grid_encode, fullgraph=True, backend="aot_eager")):
        a, b = x.clone().requires_grad_(), table.clone().requires_grad_()
        out = function(a, b, layout)
        results.append([out, *torch.autograd.grad(out.square().sum(), (a, b))])
    for eager, compiled in zip(*results):
        torch.testing.assert_close(eager, compiled)


def test_wrong_input_gets_a_sentence():
    x, table, layout = case(2, 2, "linear")
    for wrong, words in (
        (lambda: grid_encode(x[:, :1], table, layout), "x must have shape"),
        (lambda: grid_encode(x, table[1:], layout), "table must have shape"),
        (lambda: grid_encode(x, table.float(), layout), "float64"),
        (lambda: grid_encode(x, table[:, :0], layout), "a feature"),
        (lambda: GridLayout.of([(4, 4)], 0), "at least one row"),
        (lambda: GridLayout.of([(4, 4)], 9, "cubic"), "basis"),
        (lambda: GridLayout.of([(4, 0)], 9), "cells"),
        (lambda: GridLayout.of([(4,)], 9), "2 axes"),
        (lambda: GridLayout(((4, 4), (8, 8)), (9,)), "rows for every level"),
    ):
        with pytest.raises(InvalidInput, match=words):
            wrong()
