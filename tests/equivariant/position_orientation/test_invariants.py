"""Pairs get the same numbers exactly when an element of the group carries one onto the other."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geokit.equivariant.position_orientation.invariants import pair_invariants, separable_invariants
from geokit.errors import InvalidInput

CASES = [("R2", "E"), ("R3", "E"), ("R2xS1", "E"), ("R2xS1", "SE"), ("R3xS2", "E"), ("R3xS2", "SE"), ("SE3", "SE")]
SEEDS = st.integers(0, 2**31)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def orthogonal(dim, g, proper):
    q, _ = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=g))
    wanted = 1.0 if proper or torch.rand((), generator=g) < 0.5 else -1.0
    q[:, 0] *= wanted * torch.linalg.det(q).sign()
    return q


def random_pair(space, g):
    dim = 2 if space.startswith("R2") else 3
    vectors = torch.randn(3, dim, dtype=torch.float64, generator=g)
    if space in ("R2", "R3"):
        return (vectors[0],)
    if space == "SE3":
        return (vectors[0], orthogonal(3, g, True), orthogonal(3, g, True))
    return (vectors[0], *(v / v.norm() for v in vectors[1:]))


def columns(pair):
    """All the vectors of a pair as the columns of one matrix (n, D): the group acts on it from the left."""
    return torch.cat([p[:, None] if p.ndim == 1 else p for p in pair], 1)


def alignment(a, b, proper):
    """How far the best orthogonal map is from carrying the vectors of `a` onto those of `b` (Kabsch)."""
    u, _s, vt = torch.linalg.svd(b @ a.T)
    if proper:
        u = torch.cat([u[:, :-1], u[:, -1:] * torch.linalg.det(u @ vt).sign()], 1)
    return (u @ vt @ a - b).norm()


@pytest.mark.parametrize(("space", "group"), CASES)
@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_moved_pairs_have_the_same_numbers(space, group, seed):
    g = generator(seed)
    pair = random_pair(space, g)
    matrix = orthogonal(len(pair[0]), g, group == "SE")
    torch.testing.assert_close(
        pair_invariants(space, group, *(matrix @ p for p in pair)),
        pair_invariants(space, group, *pair),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize(("space", "group"), CASES)
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_pairs_with_the_same_numbers_are_moved_copies(space, group, seed):
    """Newton's method from another pair to one with the numbers of the first: it must end at a moved copy."""
    g = generator(seed)
    first, second = random_pair(space, g), random_pair(space, g)
    wanted = pair_invariants(space, group, *first)
    found = solve(space, group, second, wanted)
    assume(found is not None)  # an iteration that does not converge says nothing about the numbers
    assert alignment(columns(first), columns(found), group == "SE") < 1e-5


def solve(space, group, start, wanted):
    values = torch.cat([p.flatten() for p in start])

    def pair(values):
        parts = [part.view(p.shape) for part, p in zip(values.split([p.numel() for p in start]), start)]
        return [parts[0], *(torch.matrix_exp(p - p.T) if p.ndim == 2 else p / p.norm() for p in parts[1:])]

    def residual(values):
        return pair_invariants(space, group, *pair(values)) - wanted

    for _ in range(100):
        jacobian = torch.autograd.functional.jacobian(residual, values)
        values = values - 0.7 * torch.linalg.lstsq(jacobian, residual(values)[:, None], driver="gelsd").solution[:, 0]
    return pair(values) if residual(values).norm() < 1e-9 else None


@pytest.mark.parametrize("space", ["R2xS1", "R3xS2"])
def test_proper_motions_tell_a_pair_from_its_mirror_image(space):
    pair = random_pair(space, generator(0))
    mirror = torch.eye(len(pair[0]), dtype=torch.float64)
    mirror[0, 0] = -1
    mirrored = [mirror @ p for p in pair]
    apart = pair_invariants(space, "SE", *pair) - pair_invariants(space, "SE", *mirrored)
    assert apart.abs().max() > 0.05
    torch.testing.assert_close(pair_invariants(space, "E", *pair), pair_invariants(space, "E", *mirrored))


def test_the_three_numbers_of_the_paper_do_not_separate_pairs():
    """o_j turned about o_i keeps (r.o_i, |r across o_i|, o_i.o_j), but is no moved copy: r.o_j changes."""
    r, up = torch.tensor([1.0, 0.0, 0.5]), torch.tensor([0.0, 0.0, 1.0])
    here, there = torch.tensor([0.8, 0.0, 0.6]), torch.tensor([0.0, 0.8, 0.6])
    torch.testing.assert_close(up @ here, up @ there)
    separable = separable_invariants(r, up)
    torch.testing.assert_close(separable, torch.tensor([0.5, 1.0]))
    assert (pair_invariants("R3xS2", "E", r, up, here) - pair_invariants("R3xS2", "E", r, up, there)).abs().max() > 0.5


@pytest.mark.parametrize(("dim", "group"), [(2, "E"), (2, "SE"), (3, "E")])
@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_separable_invariants_are_invariant_and_separate(dim, group, seed):
    g = generator(seed)
    r, o = random_pair("R2xS1" if dim == 2 else "R3xS2", g)[:2]
    q = orthogonal(dim, g, group == "SE")
    numbers = separable_invariants(r, o, group)
    torch.testing.assert_close(separable_invariants(q @ r, q @ o, group), numbers, rtol=0, atol=1e-12)
    basis = orthogonal(dim, g, True)  # the pair built from its numbers in another frame is a moved copy
    rebuilt = basis @ torch.cat([numbers, torch.zeros(dim - 2, dtype=torch.float64)])
    assert alignment(torch.stack([r, o], 1), torch.stack([rebuilt, basis[:, 0]], 1), group == "SE") < 1e-7


def test_bad_input_gets_a_sentence():
    r = torch.zeros(4, 3)
    with pytest.raises(InvalidInput, match="space must be one of"):
        pair_invariants("R4", "E", r)
    with pytest.raises(InvalidInput, match="have orientations"):
        pair_invariants("R3xS2", "E", r)
    with pytest.raises(InvalidInput, match="displacement must end in"):
        pair_invariants("R2", "E", r)
