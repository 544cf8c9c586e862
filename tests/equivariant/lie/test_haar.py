"""Haar measure: densities against numerical Jacobians, and invariance by Monte Carlo."""

import pytest
import torch

from geokit.equivariant.lie import CSO, SE, SL, SO, SPD, Affine, GLPlus, O, Sim, sample_set
from tests.reference import lie as reference

COMPACT = [SO(2), SO(3), SO(4), O(2), O(3)]
GROUPS = [
    CSO(3),
    SE(2),
    SE(3),
    CSO(2),
    Sim(2),
    Sim(3),
    SL(2),
    SL(3),
    GLPlus(2),
    GLPlus(3),
    Affine(GLPlus(2)),
    Affine(SL(2)),
]
COUNT = 50_000


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("group", [*GROUPS, SL(4), Affine(GLPlus(3))], ids=repr)
def test_densities_are_jacobians(group, side):
    generator = torch.Generator().manual_seed(1)
    v = 0.8 * torch.randn(2, group.complement_dim, generator=generator, dtype=torch.float64)
    k = group.compact_sample(2, generator)
    unit = reference.haar_density(group.basis, group.complement_dim, 0 * v[0], group.identity(), side)
    assert unit == pytest.approx(1.0, abs=1e-8)
    for one, turn in zip(v, k):
        want = reference.haar_density(group.basis, group.complement_dim, one, turn, side)
        got = float(group.haar_density(group.complement_hat(one), side))
        assert got == pytest.approx(want, rel=1e-7)


def bump(group, g):
    """A function that falls off fast in every direction, and is symmetric in none."""
    size = (g - group.identity()).square().sum((-2, -1)) + (group.inverse(g) - group.identity()).square().sum((-2, -1))
    tilt = torch.linspace(-1, 1, group.size**2, dtype=torch.float64).reshape(group.size, group.size)
    return torch.exp(-0.7 * size) * (1 + 0.3 * torch.tanh((g * tilt).sum((-2, -1))))


def shift_in_errors(group, density_side, move_from, right_density=True, count=COUNT):
    """The integral after a translation less the one before, over the standard error of the difference."""
    generator = torch.Generator().manual_seed(2)
    samples = sample_set(
        group,
        COUNT,
        spread=0.5,
        method="random",
        haar=True,
        side=density_side,
        generator=generator,
        dtype=torch.float64,
    )
    move = group.sample(1, spread=0.4, generator=torch.Generator().manual_seed(8))
    weights = samples.weights if right_density else samples.weights / group.haar_density(samples.x, density_side)
    moved = group.compose(move, samples.elements) if move_from == "left" else group.compose(samples.elements, move)
    difference = weights * (bump(group, moved) - bump(group, samples.elements))
    return float(difference.mean().abs() / (difference.std() / count**0.5))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("group", [*COMPACT, *GROUPS], ids=repr)
def test_measures_are_invariant(group, side):
    assert shift_in_errors(group, side, side) < 4


def test_the_test_of_invariance_can_fail():
    """Half a circle is not moved into itself, the flat density is not invariant, nor is the left one from the right
    where a group is not unimodular."""
    v = 2**0.5 * torch.pi * torch.rand(COUNT, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    half, turned = SO(2).exp(SO(2).hat(v)), SO(2).exp(SO(2).hat(v + 1))
    difference = bump(SO(2), turned) - bump(SO(2), half)
    assert float(difference.mean().abs() / difference.std()) * COUNT**0.5 > 6
    assert shift_in_errors(GLPlus(2), "left", "left", right_density=False, count=150_000) > 6
    assert shift_in_errors(Sim(2), "left", "right", count=150_000) > 6
    assert shift_in_errors(Sim(2), "right", "left", count=150_000) > 6


@pytest.mark.parametrize("space", [SPD(2), SPD(3), SPD(2, unit_determinant=True)], ids=repr)
def test_measure_of_positive_definite_matrices(space):
    """Moved by g, S becomes g S g': the same integral."""
    generator = torch.Generator().manual_seed(4)
    v = 0.8 * torch.randn(COUNT, space.dim, generator=generator, dtype=torch.float64)
    weights = space.measure_density(space.hat(v)) * torch.exp(0.5 * (v / 0.8).square().sum(-1))
    s = space.exp(space.hat(v))
    g = (SL(2) if space.unit_determinant else GLPlus(space.n)).sample(1, condition=3.0, generator=generator)

    def function(s):
        return torch.exp(-(s + torch.linalg.inv(s)).diagonal(dim1=-2, dim2=-1).sum(-1)) * (
            1 + 0.4 * torch.tanh(s[:, 0, 1])
        )

    difference = weights * (function(space.act(g, s)) - function(s))
    assert float(difference.mean().abs()) < 4 * float(difference.std()) / COUNT**0.5
    flat = difference / space.measure_density(space.hat(v))
    assert float(flat.mean().abs()) > 6 * float(flat.std()) / COUNT**0.5
