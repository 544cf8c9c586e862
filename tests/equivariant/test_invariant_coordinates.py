"""Coordinates that no motion changes: those of classical scaling, unique, and put before any network."""

import pytest
import torch
from torch import nn

from geokit.equivariant.invariant_coordinates import InvariantInput, invariant_coordinates
from geokit.equivariant.measure import equivariance_error
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations
from tests.reference.classical_scaling import classical_scaling


class Similarities:
    """Random rotations, mirror images where `mirrors`, shifts, and sizes where `sizes`, as homogeneous matrices."""

    def __init__(self, n, mirrors=True, sizes=False):
        self.n, self.mirrors, self.sizes = n, mirrors, sizes

    def sample(self, count, *, generator=None):
        g = torch.eye(self.n + 1, dtype=torch.float64).repeat(count, 1, 1)
        g[:, : self.n, : self.n] = random_rotations(count, self.n, generator=generator)
        if self.mirrors:
            g[::2, : self.n, 0] *= -1
        if self.sizes:
            g[:, : self.n, : self.n] *= torch.exp(torch.randn(count, 1, 1, generator=generator, dtype=torch.float64))
        g[:, : self.n, self.n] = 5 * torch.randn(count, self.n, generator=generator, dtype=torch.float64)
        return g

    def act(self, g, points):
        return points @ g[: self.n, : self.n].mT + g[: self.n, self.n]


class Flat(nn.Module):
    def __init__(self, count, n, out, extra=0):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(count * n + extra, 32), nn.Tanh(), nn.Linear(32, out)).double()
        self.shape = (-1, count, n) if out == count * n else (-1, out)

    def forward(self, points, *more):
        return self.net(torch.cat([t.flatten(1) for t in (points, *more)], 1)).view(self.shape)


def clouds(n, size=9, count=5, seed=0):
    stretch = torch.tensor([1.0, 1.6, 2.5][:n]).double()
    return stretch * torch.randn(count, size, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 4


@pytest.mark.parametrize("n", [2, 3])
def test_they_are_those_of_classical_scaling(n):
    x = clouds(n)
    for cloud, got in zip(x, invariant_coordinates(x).coordinates):
        want = classical_scaling(cloud, n)
        torch.testing.assert_close(got, want * (got * want).sum(0).sign(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("group", ["E", "SE"])
@pytest.mark.parametrize("n", [2, 3])
def test_motions_and_sizes_change_nothing(n, group, scale):
    model = lambda p: invariant_coordinates(p, group=group, scale=scale).coordinates  # noqa: E731
    error = equivariance_error(model, Similarities(n, group == "E", scale), clouds(n), count=50)
    assert error.worst < 1e-10


def test_mirror_images_are_told_apart_under_rotations_only():
    x, mirror = clouds(3), torch.tensor([-1.0, 1, 1]).double()
    for group, told in (("E", False), ("SE", True)):
        a, b = (invariant_coordinates(p, group=group).coordinates for p in (x, x * mirror))
        assert bool((a - b).abs().max() > 1e-3) == told


def test_the_order_of_points_stays_theirs_and_decides_no_sign():
    x, order = clouds(3), torch.randperm(9, generator=torch.Generator().manual_seed(0))
    a, b = invariant_coordinates(x), invariant_coordinates(x[:, order])
    torch.testing.assert_close(b.coordinates, a.coordinates[:, order])


def test_their_signs_spreads_and_sizes_are_as_promised():
    for group in ("E", "SE"):
        found = invariant_coordinates(clouds(3, 40), group=group, scale=True)
        spreads = found.coordinates.square().mean(1)
        assert (spreads.diff(dim=1) < 0).all()
        torch.testing.assert_close(spreads.sum(1), torch.ones(5).double())
        thirds = (found.coordinates**3).sum(1)
        assert (thirds[:, : 3 if group == "E" else 2] > 0).all()
        torch.testing.assert_close(thirds.sign(), found.skewness.sign())
        assert found.skewness.abs().max() <= 1
        if group == "SE":
            torch.testing.assert_close(torch.linalg.det(found.axes), torch.ones(5).double())


@pytest.mark.parametrize("scale", [False, True])
def test_they_lead_back(scale):
    x = clouds(3)
    found = invariant_coordinates(x, scale=scale)
    torch.testing.assert_close(found.back(found.coordinates), x)
    differences = found.coordinates[:, :-1] - found.coordinates[:, 1:]
    torch.testing.assert_close(found.back_vectors(differences), x[:, :-1] - x[:, 1:])


def test_absent_points_do_not_count():
    x, weights = clouds(3), torch.ones(5, 9).double()
    weights[:, 6:] = 0
    other = torch.where(weights[..., None] > 0, x, 50.0)
    a, b = invariant_coordinates(x[:, :6]), invariant_coordinates(other, weights)
    torch.testing.assert_close(b.coordinates[:, :6], a.coordinates)


@pytest.mark.parametrize("signs", ["rule", "blend"])
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("group", ["E", "SE"])
@pytest.mark.parametrize("output", ["invariant", "points", "vectors"])
def test_a_network_behind_them_is_exact(output, group, scale, signs):
    x, v = clouds(3), clouds(3, seed=1) - 4
    out = 4 if output == "invariant" else 27
    net = InvariantInput(Flat(9, 3, out, 27), group=group, output=output, scale=scale, signs=signs, doubt=1.0)
    motions = Similarities(3, group == "E", scale)
    error = equivariance_error(net, motions, (x, v), action_in=("points", "vectors"), action_out=output, count=30)
    assert error.worst < 1e-10
    assert (net(x, 2 * v) - net(x, v)).abs().max() > 1e-3


def test_blended_signs_do_not_jump_where_a_third_moment_vanishes():
    """A cloud is sheared through one that is its own mirror image in two axes."""
    half = clouds(3, 10, 1)[0] - 4
    even = torch.cat([half * torch.tensor([a, b, 1.0]).double() for a in (-1, 1) for b in (-1, 1)])
    drift = 0.2 * torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    changes = {}
    for signs in ("rule", "blend"):
        for steps in (300, 1200):
            t = torch.linspace(-1, 1, steps).double()[:, None, None]
            values = InvariantInput(Flat(40, 3, 4), signs=signs)(even + t * drift).detach()
            changes[signs, steps] = float(values.diff(dim=0).norm(dim=1).max())
    assert changes["blend", 1200] < 0.35 * changes["blend", 300]
    assert changes["rule", 1200] > 0.9 * changes["rule", 300] > 3 * changes["blend", 300]


@pytest.mark.parametrize("group", ["E", "SE"])
def test_blended_signs_are_the_rule_where_all_are_sure(group):
    x = clouds(3).abs() ** 3
    both = [InvariantInput(Flat(9, 3, 4), group=group, signs=signs, doubt=0.01)(x) for signs in ("rule", "blend")]
    torch.testing.assert_close(*both)


@pytest.mark.parametrize("signs", ["rule", "blend"])
@pytest.mark.parametrize("output", ["invariant", "points"])
def test_gradients_agree_with_differences(output, signs):
    net = InvariantInput(Flat(5, 3, 2 if output == "invariant" else 15), output=output, signs=signs, scale=True)
    assert torch.autograd.gradcheck(net, (clouds(3, 5, 2).requires_grad_(),))


@pytest.mark.parametrize("scale", [False, True])
def test_gradients_are_finite_for_symmetric_and_empty_clouds(scale):
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    for x in (octahedron, torch.zeros(6, 3).double(), octahedron[:, :1] * torch.ones(3).double()):
        y = x[None].requires_grad_()
        value = InvariantInput(Flat(6, 3, 4), scale=scale, signs="blend")(y)
        assert value.isfinite().all()
        assert torch.autograd.grad(value.sum(), y)[0].isfinite().all()


def test_the_gap_tells_where_axes_are_arbitrary():
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)]).double()[None]
    assert float(invariant_coordinates(octahedron).gaps) < 1e-12
    assert float(invariant_coordinates(clouds(3, 300)).gaps.min()) > 0.05


def test_it_compiles_whole():
    net = InvariantInput(Flat(9, 3, 4), scale=True)
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="aot_eager")(clouds(3)), net(clouds(3)))


def test_wrong_arguments_are_named():
    for options, message in (
        ({"group": "O"}, "about the centre"),
        ({"dim": 5}, "dim must be 2 or 3"),
        ({"signs": "third"}, "signs must be"),
        ({"doubt": 0}, "doubt is a skewness"),
        ({"output": "scalars"}, "an output is one of"),
    ):
        with pytest.raises(InvalidInput, match=message):
            InvariantInput(Flat(9, 3, 4), **options)
    with pytest.raises(InvalidInput, match="points must have shape"):
        invariant_coordinates(torch.zeros(9, 3))
    with pytest.raises(InvalidInput, match="weights must have shape"):
        invariant_coordinates(clouds(3), torch.ones(5))
