import math
from dataclasses import replace
from itertools import permutations, product

import pytest
import torch
from torch import nn

from geokit.equivariant.lie import SE, SL, SO, GLPlus, sample_set
from geokit.equivariant.lie.point_layers import PointGroupConvolution, PointLifting
from geokit.equivariant.lie.points import invariant_readout, neighborhood, samples_of
from geokit.errors import InvalidInput


def octahedral() -> torch.Tensor:
    """(24, 3, 3) the rotations of a cube."""
    matrices = []
    for order, signs in product(permutations(range(3)), product([1.0, -1.0], repeat=3)):
        matrix = torch.zeros(3, 3, dtype=torch.float64)
        for i, j in enumerate(order):
            matrix[i, j] = signs[i]
        if torch.linalg.det(matrix) > 0:
            matrices.append(matrix)
    return torch.stack(matrices)


def clouds(n: int, count: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two clouds of different sizes, their batch and three features a point."""
    generator = torch.Generator().manual_seed(seed)
    total = count + count // 2
    points = torch.randn(total, n, dtype=torch.float64, generator=generator)
    batch = (torch.arange(total) >= count).long()
    return points, batch, torch.randn(total, 3, dtype=torch.float64, generator=generator)


class Net(nn.Module):
    """Lifting, a nonlinearity, a group convolution."""

    def __init__(self, group, form):
        super().__init__()
        torch.manual_seed(1)
        self.lift = PointLifting(group, 3, 4, form="dense" if form == "dense" else "separable", hidden=8)
        self.conv = PointGroupConvolution(group, 4, 5, form=form, hidden=8)

    def forward(self, features, cloud, samples, out_samples=None):
        return self.conv(torch.tanh(self.lift(features, cloud, samples)), cloud, samples, out_samples)


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()


def moved(samples, a):
    """The set a g, with its weights."""
    return replace(samples_of(samples.group, a @ samples.elements), weights=samples.weights, mass=samples.mass)


FORMS = ["separable", "joint", "dense"]
GROUPS = [SO(2), SL(2), GLPlus(2), SO(3), SL(3), GLPlus(3)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize(("dtype", "bar"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_any_element_moves_the_output_along_when_the_samples_move_too(group, form, dtype, bar):
    """The definition itself: out'(a x, a g) = out(x, g) for every a, weights and all."""
    points, batch, features = clouds(group.n)
    net = Net(group, form).to(dtype)
    samples = sample_set(group, 5, haar=True, spread=0.2, dtype=torch.float64)
    a = group.sample(1, generator=torch.Generator().manual_seed(3))[0]

    def run(points, samples):
        samples = samples.to(dtype=dtype)
        return net(features.to(dtype), neighborhood(points.to(dtype), samples, 1.0, batch), samples)

    before = run(points, samples)
    assert before.abs().max() > 1e-2
    assert relative(run(points @ a.T + 3.0, moved(samples, a)), before) < bar


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dtype", "bar"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("case", ["SO(2)", "SO(3)"])
def test_an_element_that_permutes_the_samples_permutes_the_output(case, form, dtype, bar):
    if case == "SO(2)":
        group, samples = SO(2), sample_set(SO(2), 8, offset=0.3, dtype=torch.float64)
        turn = 2 * math.pi * 3 / 8
        a = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]], dtype=torch.float64)
    else:
        group, samples, a = SO(3), samples_of(SO(3), octahedral()), octahedral()[17]
    # For every g, which of the set is a g?
    distance = (a @ samples.elements)[:, None] - samples.elements
    order = distance.abs().amax((2, 3)).argmin(1)
    assert distance.abs().amax((2, 3)).amin(1).max() < 1e-12
    assert not torch.equal(order, torch.arange(len(samples)))
    points, batch, features = clouds(group.n, 24)
    net, samples = Net(group, form).to(dtype), samples.to(dtype=dtype)

    def run(points):
        cloud = neighborhood(points.to(dtype), samples, 1.0, batch)
        out = net(features.to(dtype), cloud, samples)
        return out, [invariant_readout(out, cloud, samples, mode) for mode in ("mean", "max")]

    (before, read), (after, read_after) = run(points), run(points @ a.T)
    assert relative(after[:, order], before) < bar
    assert relative(after, before) > 0.1
    assert all(relative(x, y) < bar for x, y in zip(read_after, read))


@pytest.mark.parametrize("group", [SO(3), GLPlus(2)], ids=str)
def test_points_in_another_order_and_clouds_one_by_one_give_the_same(group):
    points, batch, features = clouds(group.n)
    samples, net = sample_set(group, 4, spread=0.2, dtype=torch.float64), Net(group, "separable").double()

    def run(points, batch, features):
        cloud = neighborhood(points, samples, 1.0, batch)
        out = net(features, cloud, samples)
        return out, invariant_readout(out, cloud, samples)

    out, read = run(points, batch, features)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    shuffled, read_shuffled = run(points[order], batch[order], features[order])
    assert relative(shuffled, out[order]) < 1e-12
    assert relative(read_shuffled, read) < 1e-12
    alone, read_alone = run(points[batch == 1], batch[batch == 1] * 0, features[batch == 1])
    assert relative(alone, out[batch == 1]) < 1e-12
    assert relative(read_alone[0], read[1]) < 1e-12


def test_lifting_is_the_sum_that_it_says():
    group = GLPlus(2)
    points, _, features = clouds(2, 12)
    samples = sample_set(group, 3, spread=0.3, dtype=torch.float64)
    weights = torch.rand(len(points), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    cloud = neighborhood(points, samples, 0.8, weights=weights)
    lift = PointLifting(group, 3, 2, form="dense", hidden=8).double()
    expected = torch.zeros(len(points), 3, 2, dtype=torch.float64)
    for i, s, j in product(range(len(points)), range(3), range(len(points))):
        local = torch.linalg.solve(samples.elements[s], (points[j] - points[i]) / 0.8)
        kernel = lift.kernel(local).view(2, 3)
        expected[i, s] += weights[j] / torch.linalg.det(samples.elements[s]) * kernel @ features[j]
    assert relative(lift(features, cloud, samples), expected + lift.bias) < 1e-12


@pytest.mark.parametrize("form", FORMS)
def test_the_group_convolution_is_the_sum_that_it_says(form):
    group = SL(2)
    points, _, _ = clouds(2, 8)
    samples = sample_set(group, 3, spread=0.3, haar=True, dtype=torch.float64)
    outer = sample_set(group, 2, spread=0.2, offset=0.4, dtype=torch.float64)
    f = torch.randn(len(points), 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    cloud = neighborhood(points, outer, 1.2, neighbors=4)
    conv = PointGroupConvolution(group, 2, 2, form=form, hidden=6, reach=1.5).double()
    expected = torch.zeros(len(points), 2, 2, dtype=torch.float64)
    for i, g, j, h in product(range(len(points)), range(2), range(len(points)), range(3)):
        local = outer.inverses[g] @ (points[j] - points[i]) / 1.2
        numbers = group.features(outer.inverses[g] @ samples.elements[h]).clone()
        numbers[:2] /= 1.5
        weight = cloud.weights[j] * samples.weights[h] * samples.mass / 3
        if form == "separable":
            product_ = conv.kernel(local) * conv.group_kernel(numbers) * f[j, h]
        else:
            values = conv.kernel(torch.cat([local, numbers]))
            product_ = values.view(2, 2) @ f[j, h] if form == "dense" else values * f[j, h]
        expected[i, g] += weight * product_
    expected = (expected if conv.mix is None else conv.mix(expected)) + conv.bias
    assert relative(conv(f, cloud, samples, outer), expected) < 1e-10


@pytest.mark.parametrize("form", ["separable", "joint"])
def test_the_error_of_a_general_rotation_falls_with_the_number_of_samples(form):
    group, net = SO(3), Net(SO(3), form).double()
    points, batch, features = clouds(3, 20)
    rotations = group.sample(3, generator=torch.Generator().manual_seed(4))

    def error(count):
        samples = sample_set(group, count, dtype=torch.float64)

        def run(points):
            cloud = neighborhood(points, samples, 1.0, batch)
            return invariant_readout(net(features, cloud, samples), cloud, samples)

        before = run(points)
        return max(relative(run(points @ a.T), before) for a in rotations)

    errors = [error(count) for count in (6, 24, 96)]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.15 * errors[0]


def test_the_error_of_a_general_linear_map_falls_with_the_number_of_samples():
    """The integral over GL+(2) under Haar weights: outputs at a g of the moved cloud against those at g."""
    group = GLPlus(2)
    points, batch, features = clouds(2, 30)
    torch.manual_seed(1)
    lift = PointLifting(group, 3, 4, hidden=8, omega=4.0).double()
    conv = PointGroupConvolution(group, 4, 5, hidden=8, omega=2.0, reach=0.6, inner=0.0).double()
    outer = sample_set(group, 6, spread=0.05, dtype=torch.float64)
    maps = group.sample(3, spread=0.1, generator=torch.Generator().manual_seed(5))

    def error(count):
        samples = sample_set(group, count, spread=0.3, haar=True, dtype=torch.float64)

        def run(points, outer):
            cloud = neighborhood(points, outer, 1.0, batch)
            wide = neighborhood(points, samples, 1.0, batch)
            return conv(torch.tanh(lift(features, wide, samples)), cloud, samples, outer)

        before = run(points, outer)
        return max(((run(points @ a.T, moved(outer, a)) - before).norm() / before.norm()).item() for a in maps)

    errors = [error(count) for count in (32, 128, 512)]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.2 * errors[0]


@pytest.mark.parametrize("name", ["siren", "gabor", "ckconv", "flexconv", "points", "mlp"])
def test_every_kernel_is_drop_in_and_gradients_reach_points_features_and_parameters(name):
    torch.manual_seed(0)
    group = SL(2)
    points, batch, features = clouds(2, 12)
    samples = sample_set(group, 3, spread=0.2, dtype=torch.float64)
    lift = PointLifting(group, 3, 4, kernel=name).double()
    conv = PointGroupConvolution(group, 4, 2, kernel=name).double()
    points.requires_grad_()
    features.requires_grad_()
    cloud = neighborhood(points, samples, 1.5, batch, neighbors=4)
    conv(torch.tanh(lift(features, cloud, samples)), cloud, samples).square().sum().backward()
    for value in (points, features, *lift.parameters(), *conv.parameters()):
        assert value.grad is not None
        assert value.grad.isfinite().all()
    assert points.grad.abs().max() > 0
    assert features.grad.abs().max() > 0


@pytest.mark.parametrize("form", ["separable", "joint"])
def test_gradients_by_points_and_features(form):
    group = GLPlus(2)
    points, _, features = clouds(2, 5)
    samples, net = sample_set(group, 2, spread=0.1, dtype=torch.float64), Net(group, form).double()
    weights = torch.ones(len(points), dtype=torch.float64)

    def run(points, features):
        return net(features, neighborhood(points, samples, 2.0, weights=weights), samples)

    assert torch.autograd.gradcheck(run, (points.requires_grad_(), features.requires_grad_()))


def test_independent_features_keep_their_size():
    torch.manual_seed(0)
    points = torch.rand(400, 2)
    samples = sample_set(SO(2), 4)
    radius = (16 / 400 / math.pi) ** 0.5
    sizes = []
    for form in ("separable", "dense"):
        cloud = neighborhood(points, samples, radius, weights="uniform")
        for _ in range(2):
            out = PointLifting(SO(2), 32, 32, form=form)(torch.randn(400, 32), cloud, samples)
            sizes.append(out.std().item() * (3**0.5 if form == "separable" else 1))  # torch's Linear keeps a third
    assert sum(sizes) / len(sizes) == pytest.approx(1, rel=0.3)


def test_no_points_and_clouds_without_any():
    samples = sample_set(SO(3), 4)
    cloud = neighborhood(torch.zeros(0, 3), samples, 1.0)
    net = Net(SO(3), "separable")
    assert net(torch.zeros(0, 3), cloud, samples).shape == (0, 4, 5)
    points = torch.randn(20, 3)
    cloud = neighborhood(points, samples, 1.0, torch.full((20,), 2))
    out = net(torch.randn(20, 3), cloud, samples)
    for mode in ("mean", "max"):
        read = invariant_readout(out, cloud, samples, mode)
        assert read.shape == (3, 5)
        assert (read[:2] == 0).all()
        assert (read[2] != 0).any()


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("translations are in the layer already", lambda: PointLifting(SE(2), 1, 1)),
        ("out_channels must be a whole number", lambda: PointLifting(SO(2), 1, 0)),
        ("form must be one of separable, dense, got 'joint'", lambda: PointLifting(SO(2), 1, 1, form="joint")),
        ("neighbors must be positive", lambda: PointLifting(SO(2), 1, 1, neighbors=0)),
        ("reach must be positive", lambda: PointGroupConvolution(SL(2), 1, 1, reach=0.0)),
    ],
)
def test_bad_layers_are_told(message, make):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_bad_features_and_samples_are_told():
    samples, points = sample_set(SO(2), 3), torch.randn(20, 2)
    cloud, lift = neighborhood(points, samples, 1.0), PointLifting(SO(2), 2, 4)
    with pytest.raises(InvalidInput, match=r"features must have shape \(20, 2\)"):
        lift(torch.randn(20, 3), cloud, samples)
    with pytest.raises(InvalidInput, match=r"for samples of SO\(2\)"):
        lift(torch.randn(20, 2), cloud, sample_set(SL(2), 3))
