"""Grids, networks and hybrids as fields: budgets, seeds, derivatives, bad input."""

import json

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields import (
    Coordinates,
    FourierFeatures,
    FourierField,
    GridEncoding,
    GridField,
    HybridField,
    Perceptron,
    SirenField,
    cells_of,
    grid_cells,
)

PLANE = torch.tensor([[0.0, 0.0], [40.0, 30.0]], dtype=torch.float64)
SPACE = torch.tensor([[-1.0, -1.0, -2.0], [1.0, 1.0, 2.0]], dtype=torch.float64)


def inside(bounds, count, seed=0):
    unit = torch.rand(count, bounds.shape[1], generator=torch.Generator().manual_seed(seed), dtype=bounds.dtype)
    return bounds[0] + unit * (bounds[1] - bounds[0])


def roughened(field):
    """With tables of size 1, as after training, so that derivatives are of that size."""
    with torch.no_grad():
        for name, p in field.named_parameters():
            if "table" in name:
                p.mul_(1e4)
    return field


@pytest.mark.parametrize("parameters", [3000, 12345, 50000, 10**7])
@pytest.mark.parametrize("features", [1, 2, 4])
def test_a_budget_is_used_up_and_never_exceeded(parameters, features):
    field = GridField.with_budget(PLANE, 3, parameters, levels=6, coarsest=4, finest=60, features=features, hidden=16)
    layout = field.encodings[0].layout
    assert field.parameter_count <= parameters
    full = sum(rows == (n + 1) * (m + 1) for rows, (n, m) in zip(layout.rows, layout.cells))
    assert full == 6 or field.parameter_count > parameters - features
    assert min(layout.rows) >= 16


@pytest.mark.parametrize("parameters", [-5, 0, 700, 850])
def test_a_budget_too_small_gets_a_sentence(parameters):
    with pytest.raises(InvalidInput, match=f"budget of {parameters} parameters.*too few for 8 levels"):
        GridField.with_budget(PLANE, 3, parameters, hidden=16)


def test_cells_grow_by_one_factor_and_follow_the_box():
    cells = grid_cells(PLANE, 5, 4, 64)
    assert [c[0] for c in cells] == [4, 8, 16, 32, 64]
    assert [c[1] for c in cells] == [3, 6, 12, 24, 48]
    assert grid_cells(SPACE, 1, 8, 64) == ((4, 4, 8),)
    assert cells_of(PLANE, [4, 1]) == ((4, 3), (1, 1))
    for wrong in ((0, 4, 8), (3, 0, 8), (3, 9, 8)):
        with pytest.raises(InvalidInput, match="coarsest"):
            grid_cells(PLANE, *wrong)


MAKERS = {
    "grid": lambda seed: GridField.with_budget(PLANE, 3, 5000, levels=5, finest=64, coarsest=4, hidden=16, seed=seed),
    "siren": lambda seed: SirenField(PLANE, 3, 16, 2, seed=seed),
    "waves": lambda seed: FourierField(PLANE, 3, 8, 3.0, 16, 2, seed=seed),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_seed_says_everything(name):
    x = inside(PLANE, 20)
    one, same, other = (MAKERS[name](seed) for seed in (4, 4, 5))
    torch.manual_seed(0)  # the global generator plays no part
    assert torch.equal(one(x), same(x))
    assert not torch.equal(one(x), other(x))


@pytest.mark.parametrize("name", MAKERS)
def test_a_field_is_made_again_from_its_config_and_parameters(name):
    field = MAKERS[name](1)
    config = json.loads(json.dumps(field.config()))
    again = type(field)(PLANE, **config)
    again.load_state_dict(field.state_dict())
    x = inside(PLANE, 10)
    assert torch.equal(field(x), again(x))


@pytest.mark.parametrize("basis", ["smoothstep", "spline"])
@pytest.mark.parametrize("bounds", [PLANE, SPACE])
def test_derivatives_are_continuous_where_cells_meet(basis, bounds):
    d = bounds.shape[1]
    make = {"cells": cells_of(bounds, [5, 9]), "rows": 97, "hidden": 8, "activation": "softplus"}
    smooth = roughened(GridField(bounds, 2, basis=basis, **make))
    rough = roughened(GridField(bounds, 2, **make))
    x = inside(bounds, 40)
    step = 1e-9 * (bounds[1] - bounds[0])
    for axis in range(d):
        n = smooth.encodings[0].layout.cells[1][axis]
        wall = torch.arange(40).double() % (n - 1) + 1  # between the cells of the finest level
        at = x.clone()
        at[:, axis] = bounds[0, axis] + wall / n * (bounds[1] - bounds[0])[axis]
        aside = torch.zeros(d, dtype=x.dtype)
        aside[axis] = step[axis]
        jumps = [(f.gradient(at + aside) - f.gradient(at - aside)).abs().max() for f in (smooth, rough)]
        scale = smooth.gradient(x).abs().max()
        assert jumps[0] < 1e-6 * scale
        assert jumps[1] > 1e-2 * scale


@pytest.mark.parametrize("basis", ["smoothstep", "spline"])
def test_derivatives_are_those_of_differences(basis):
    field = roughened(GridField(SPACE, 2, [(3, 4, 5)], 1000, basis=basis, hidden=8, activation="silu"))
    x, h = inside(SPACE, 12), 1e-5
    steps = torch.eye(3, dtype=torch.float64) * h
    slopes = torch.stack([(field(x + s) - field(x - s)) / (2 * h) for s in steps], -1)
    torch.testing.assert_close(field.gradient(x), slopes, rtol=1e-5, atol=1e-6)
    bends = sum((field.gradient(x + s) - field.gradient(x - s))[..., k] / (2 * h) for k, s in enumerate(steps))
    torch.testing.assert_close(field.laplacian(x), bends, rtol=1e-5, atol=1e-5)


def test_derivatives_without_gradients_are_the_same_and_leave_parameters_alone():
    field = roughened(GridField(PLANE, 2, [(3, 4)], 100, basis="spline", hidden=8, activation="silu"))
    field.mlp.biases[0].requires_grad_(False)
    x, wanted = inside(PLANE, 8), [p.requires_grad for p in field.parameters()]
    with torch.no_grad():
        found = field.gradient(x), field.laplacian(x)
    for a, b in zip(found, (field.gradient(x), field.laplacian(x))):
        assert not a.requires_grad
        assert b.requires_grad
        torch.testing.assert_close(a, b.detach())
    assert [p.requires_grad for p in field.parameters()] == wanted


def test_derivatives_can_be_trained():
    field = roughened(GridField(PLANE, 1, [(3, 4), (7, 6)], 40, basis="spline", hidden=6, activation="softplus"))
    x, table = inside(PLANE, 9), field.encodings[0].table
    for derivative in (field.gradient, field.laplacian):

        def loss(derivative=derivative):
            return derivative(x).square().sum()

        grad = torch.autograd.grad(loss(), table)[0]
        direction = torch.randn(table.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                table.add_(direction, alpha=sign * 1e-5)
            values.append(float(loss().detach()))
            with torch.no_grad():
                table.sub_(direction, alpha=sign * 1e-5)
        torch.testing.assert_close(
            float((grad * direction).sum()), (values[0] - values[1]) / 2e-5, rtol=1e-4, atol=1e-8
        )


@pytest.mark.parametrize("name", ["siren", "waves"])
def test_derivatives_of_networks(name):
    field = MAKERS[name](0)
    x, h = inside(PLANE, 6), 1e-6
    steps = torch.eye(2, dtype=torch.float64) * h
    slopes = torch.stack([(field(x + s) - field(x - s)) / (2 * h) for s in steps], -1)
    torch.testing.assert_close(field.gradient(x), slopes, rtol=1e-4, atol=1e-6)


def test_metrics_sum_three_uses_of_one_table():
    cells = cells_of(PLANE, [6, 20])
    three = GridEncoding(PLANE, cells, 50, metrics=("linear", "sine", "arcsine"))
    x = inside(PLANE, 30)
    parts = []
    for metric in three.metrics:
        one = GridEncoding(PLANE, cells, 50, metrics=(metric,))
        one.load_state_dict(three.state_dict())
        parts.append(one.features(x))
    torch.testing.assert_close(three.features(x), sum(parts))
    assert not torch.allclose(parts[0], parts[1])
    edge = PLANE.clone().requires_grad_()  # the corners of the box, where an arcsine would end in a vertical
    slope = torch.autograd.grad(three.features(edge).sum(), edge)[0]
    assert slope.isfinite().all()


def test_points_outside_have_what_the_box_has_at_its_face():
    field = MAKERS["grid"](0)
    x = torch.tensor([[-3.0, 10.0], [50.0, 40.0]], dtype=torch.float64)
    torch.testing.assert_close(field(x), field(x.clamp(min=PLANE[0], max=PLANE[1])))


def test_encodings_stand_beside_each_other():
    grid = GridEncoding(PLANE, cells_of(PLANE, [4, 9]), 64)
    encodings = [Coordinates(PLANE), grid, FourierFeatures(PLANE, 5, 2.0)]
    field = HybridField(PLANE, encodings, Perceptron(2 + 4 + 10, 3, 8, 1, "silu", dtype=torch.float64))
    x = inside(PLANE, 7)
    whole = torch.cat([e.features(x) for e in encodings], 1)
    torch.testing.assert_close(field(x), field.mlp(whole))
    assert field.gradient(x).shape == (7, 3, 2)
    assert field.parameter_count == grid.table.numel() + Perceptron.parameters_of(16, 3, 8, 1)
    json.dumps(field.config())


def test_any_module_with_features_and_a_width_is_an_encoding():
    class Squares(torch.nn.Module):
        width = 2

        def features(self, x):
            return x.square()

    field = HybridField(PLANE, [Squares(), Coordinates(PLANE)], Perceptron(4, 1, 8, 1, dtype=torch.float64))
    assert field(inside(PLANE, 5)).shape == (5, 1)
    assert field.config()["encodings"] == [{}, {"kind": "coordinates"}]


def test_a_field_compiles_whole():
    field = GridField(PLANE, 3, cells_of(PLANE, [4, 9]), 64, metrics=("linear", "sine"), hidden=8)
    x = inside(PLANE, 33)
    compiled = torch.compile(field, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), field(x))
    grads = [torch.autograd.grad(f(x).square().sum(), field.encodings[0].table)[0] for f in (compiled, field)]
    torch.testing.assert_close(*grads)


def test_wrong_options_get_a_sentence():
    grid = GridEncoding(PLANE, [(4, 4)], 64)
    for wrong, words in (
        (lambda: HybridField(PLANE, [grid], Perceptron(9, 3)), "takes 9 features"),
        (lambda: HybridField(PLANE, [torch.nn.Linear(2, 2)], Perceptron(2, 3)), "encoding 0"),
        (lambda: GridEncoding(PLANE, [(4, 4)], 64, metrics=("cubic",)), "metrics"),
        (lambda: GridEncoding(PLANE, [(4, 4)], 64, features=0), "at least one feature"),
        (lambda: GridEncoding(SPACE, [(4, 4)], 64), "bounds"),
        (lambda: Perceptron(0, 3), "at least one input"),
        (lambda: Perceptron(2, 3, activation="step"), "activation"),
        (lambda: SirenField(PLANE, 3, frequency=float("nan")), "frequency"),
        (lambda: FourierField(PLANE, 3, frequency=0.0), "frequency"),
    ):
        with pytest.raises(InvalidInput, match=words):
            wrong()
