"""Frame averaging: exact in general and for symmetric clouds, and without a jump between."""

import itertools

import pytest
import torch
from torch import nn

from geokit.equivariant.frame_averaging import FrameAverage
from geokit.equivariant.measure import equivariance_error
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations

GROUPS = ("O", "SO", "E", "SE")


class Motions:
    """Random elements of O, SO, E or SE in n dimensions, as homogeneous matrices."""

    def __init__(self, n, group):
        self.n, self.group = n, group

    def sample(self, count, *, generator=None):
        elements = torch.eye(self.n + 1, dtype=torch.float64).repeat(count, 1, 1)
        elements[:, : self.n, : self.n] = random_rotations(count, self.n, generator=generator)
        if self.group in ("O", "E"):
            elements[::2, : self.n, 0] *= -1
        if self.group in ("E", "SE"):
            elements[:, : self.n, self.n] = 3 * torch.randn(count, self.n, generator=generator, dtype=torch.float64)
        return elements

    def act(self, g, points):
        return points @ g[: self.n, : self.n].mT + g[: self.n, self.n]


class Flat(nn.Module):
    """A network without any symmetry: the points of a cloud as one long vector."""

    def __init__(self, points, n, out, extra=0, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(points * n + extra, 32), nn.Tanh(), nn.Linear(32, out)).double()
        self.shape = (-1, points, n) if out == points * n else (-1, out)

    def forward(self, points, *more):
        return self.net(torch.cat([t.flatten(1) for t in (points, *more)], 1)).view(self.shape)


def cloud(n, size=6, clouds=4, seed=0):
    return torch.randn(clouds, size, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def octahedron():
    return torch.cat([torch.eye(3), -torch.eye(3)]).double()


def cube():
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3))).double()


def tetrahedron():
    return cube()[[0, 3, 5, 6]]


def prism():
    angles = 2 * torch.pi * torch.arange(5).double() / 5
    ring = torch.stack([angles.cos(), angles.sin()], 1)
    return torch.cat([torch.cat([ring, torch.full((5, 1), z).double()], 1) for z in (-2.0, 2.0)])


def line():
    return torch.tensor([0.3, -1.0, 2.0, 0.5]).double()[:, None] * torch.tensor([1.0, 2.0, -0.5]).double()


SYMMETRIC = {"octahedron": octahedron, "cube": cube, "tetrahedron": tetrahedron, "prism": prism, "line": line}


def relative(net, x, group, n, output, count=20):
    found = equivariance_error(
        net, Motions(n, group), x, action_out=output, count=count, generator=torch.Generator().manual_seed(1)
    )
    return found.worst


@pytest.mark.parametrize("frames", ["robust", "principal"])
@pytest.mark.parametrize("output", ["invariant", "points", "vectors"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("n", [2, 3])
def test_any_network_becomes_exact(n, group, output, frames):
    x = cloud(n, clouds=12)
    net = FrameAverage(Flat(6, n, 4 if output == "invariant" else 6 * n), n, group, output, frames=frames)
    assert relative(net, x, group, n, output) < 1e-10
    assert net(x).std(0).min() > 1e-3  # and it still looks at the cloud


@pytest.mark.parametrize("output", ["invariant", "points"])
@pytest.mark.parametrize("group", ["E", "SE"])
@pytest.mark.parametrize("shape", list(SYMMETRIC))
def test_robust_frames_are_exact_for_symmetric_clouds_where_principal_ones_fail(shape, group, output):
    x = SYMMETRIC[shape]()[None]
    out = 4 if output == "invariant" else x[0].numel()
    net = FrameAverage(Flat(x.shape[1], 3, out), 3, group, output).requires_grad_(False)
    reference = net(cloud(3, x.shape[1])).norm() / 2
    error = {}
    for kind in ("robust", "principal"):
        net.kind = kind
        want = net(x)
        worst = 0.0
        for g in Motions(3, group).sample(10, generator=torch.Generator().manual_seed(2)):
            moved = Motions(3, group).act(g, want) if output == "points" else want
            worst = max(worst, float((net(Motions(3, group).act(g, x)) - moved).norm() / reference))
        error[kind] = worst
    assert error["robust"] < 1e-10
    if shape != "line":  # whose two empty axes no network sees
        assert error["principal"] > 1e-3


@pytest.mark.parametrize("output", ["invariant", "points"])
@pytest.mark.parametrize("shape", list(SYMMETRIC))
def test_robust_frames_do_not_jump_at_a_symmetric_cloud(shape, output):
    """Values on a small sphere around a symmetric cloud draw together as the sphere shrinks; principal ones do not."""
    x = SYMMETRIC[shape]()[None]
    out = 4 if output == "invariant" else x[0].numel()
    spread = {}
    directions = cloud(3, x.shape[1], 40, seed=3)
    for kind in ("robust", "principal"):
        net = FrameAverage(Flat(x.shape[1], 3, out), 3, "SE", output, frames=kind)
        spread[kind] = [
            float((net(x + e * directions) - net(x)).detach().norm(dim=-1).max()) for e in (1e-2, 1e-4, 1e-6)
        ]
    assert spread["robust"][1] < 0.1 * spread["robust"][0] + 1e-9
    assert spread["robust"][2] < 0.1 * spread["robust"][1] + 1e-9
    if shape != "line":
        assert spread["principal"][2] > 0.5 * spread["principal"][0]


def test_no_step_along_a_path_through_equal_spreads():
    """A cloud is squeezed from long to flat: halving the steps halves the robust changes, and not the jump."""
    base = torch.cat([octahedron(), 0.7 * cube()])
    changes = {}
    for kind, steps in itertools.product(("robust", "principal"), (400, 1600)):
        net = FrameAverage(Flat(14, 3, 4), 3, "SO", frames=kind)
        t = torch.linspace(-0.3, 0.3, steps).double()
        stretch = torch.stack([torch.exp(t), torch.ones_like(t), torch.exp(-t)], 1)
        values = net(base * stretch[:, None])
        changes[kind, steps] = float(values.detach().diff(dim=0).norm(dim=1).max())
    assert changes["robust", 1600] < 0.35 * changes["robust", 400]
    assert changes["principal", 1600] > 0.9 * changes["principal", 400]
    assert changes["principal", 1600] > 5 * changes["robust", 1600]


@pytest.mark.parametrize("n", [2, 3])
def test_vectors_masks_and_other_arguments(n):
    x, v, s = cloud(n), cloud(n, seed=1), cloud(1, seed=2)
    mask = torch.ones(4, 6, dtype=torch.float64)
    mask[:, 4:] = 0

    def blind(backbone):
        return lambda points, vectors, scalars, m: backbone(
            points * m[..., None], vectors * m[..., None], scalars * m[..., None]
        )

    net = FrameAverage(blind(Flat(6, n, 6 * n, extra=6 * n + 6)), n, "SE", "vectors")
    run = lambda a, b, c: net(a, b, c, mask, weights=mask)  # noqa: E731
    error = equivariance_error(
        run, Motions(n, "SE"), (x, v, s), action_in=("points", "vectors", "invariant"), action_out="vectors", count=20
    )
    assert error.worst < 1e-10
    other = torch.where(mask[..., None] > 0, x, 100.0)
    torch.testing.assert_close(run(other, v, s), run(x, v, s))
    assert (run(x, 2 * v, s) - run(x, v, s)).abs().max() > 1e-3


def test_several_outputs_and_permutations():
    x = cloud(3)

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(3, 5).double(), nn.Linear(3, 3).double()

        def forward(self, points):
            return self.a(points).tanh().mean(1), self.b(points.sin())

    net = FrameAverage(Sum(), 3, "SE", ("invariant", "points"))
    found = equivariance_error(net, Motions(3, "SE"), x, action_out=("invariant", "points"), count=10)
    assert found.worst < 1e-10
    assert found.by_output.shape == (10, 2)
    order = torch.randperm(6)
    for before, after in zip(net(octahedron()[None]), net(octahedron()[None, order])):
        torch.testing.assert_close(after, before if before.dim() == 2 else before[:, order], rtol=1e-12, atol=1e-12)


def test_far_from_equal_spreads_robust_frames_are_the_principal_ones():
    x = cloud(3, 30) * torch.tensor([1.0, 2.0, 4.0]).double()
    both = [FrameAverage(Flat(30, 3, 4), frames=kind)(x) for kind in ("robust", "principal")]
    torch.testing.assert_close(*both, rtol=0, atol=0)


def test_training_on_drawn_frames_is_right_in_the_mean():
    x = cloud(3, 6, 2)
    net = FrameAverage(Flat(6, 3, 4), gap=0.5, training_frames=1)
    full = net.eval()(x)
    torch.manual_seed(0)
    draws = net.train()(x.repeat(3000, 1, 1)).view(3000, 2, 4)
    error = draws.std(0) / 3000**0.5
    assert ((draws.mean(0) - full).abs() < 4.5 * error + 1e-12).all()
    assert draws.std(0).min() > 1e-3


@pytest.mark.parametrize("output", ["invariant", "points"])
@pytest.mark.parametrize("gap", [0.02, 0.5])
@pytest.mark.parametrize("n", [2, 3])
def test_gradients_agree_with_differences(n, gap, output):
    net = FrameAverage(Flat(5, n, 2 if output == "invariant" else 5 * n), n, "SE", output, gap=gap)
    x = cloud(n, 5, 2).requires_grad_()
    assert torch.autograd.gradcheck(net, (x,))


@pytest.mark.parametrize("frames", ["robust", "principal"])
@pytest.mark.parametrize("shape", [*SYMMETRIC, "point"])
def test_gradients_are_finite_everywhere(shape, frames):
    x = SYMMETRIC[shape]() if shape != "point" else torch.zeros(4, 3).double()
    for dtype in (torch.float64, torch.float32):
        y = x[None].to(dtype).requires_grad_()
        net = FrameAverage(Flat(len(x), 3, 4).to(dtype), frames=frames)
        value = net(y)
        assert value.isfinite().all()
        assert torch.autograd.grad(value.sum(), y)[0].isfinite().all()


def test_the_principal_scheme_compiles_whole():
    net = FrameAverage(Flat(6, 3, 4), frames="principal")
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(cloud(3)), net(cloud(3)))


def test_an_empty_batch():
    assert FrameAverage(Flat(6, 3, 4))(torch.zeros(0, 6, 3).double()).shape == (0, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 4}, "dim must be 2 or 3"),
        ({"group": "SU"}, "group must be one of"),
        ({"output": "images"}, "an output is one of"),
        ({"frames": "best"}, "frames must be"),
        ({"gap": 0.0}, "gap is relative"),
        ({"training_frames": 0}, "at least 1"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InvalidInput, match=message):
        FrameAverage(Flat(6, 3, 4), **options)


def test_wrong_inputs_are_named():
    net = FrameAverage(Flat(6, 3, 4))
    with pytest.raises(InvalidInput, match="points must have shape"):
        net(torch.zeros(6, 3))
    with pytest.raises(InvalidInput, match="vectors must have shape"):
        net(cloud(3), torch.zeros(3, 3))
    with pytest.raises(InvalidInput, match="weights must have shape"):
        net(cloud(3), weights=torch.ones(6))
    with pytest.raises(InvalidInput, match="one row for each"):
        FrameAverage(lambda p: p.mean(0, keepdim=True))(cloud(3))
    with pytest.raises(InvalidInput, match="gives 1 outputs"):
        FrameAverage(Flat(6, 3, 4), output=("invariant", "points"))(cloud(3))
