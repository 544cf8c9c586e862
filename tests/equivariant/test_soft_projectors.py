"""Linear maps that commute with a group: dimensions known from theory, and projections onto them."""

import pytest
import torch

from geokit.equivariant.measure import equivariance_error
from geokit.equivariant.soft_projectors import Projector, TensorSum, equivariant_maps, tensor_power
from geokit.equivariant.symmetries import Symmetry, orthogonal_maps, rotations, rotations_about
from geokit.errors import InvalidInput

Z = (0.0, 0.0, 1.0)
GROUPS = {
    "O(3)": orthogonal_maps(3),
    "SO(3)": rotations(3),
    "SO(2)": rotations(2),
    "O(2)": orthogonal_maps(2),
    "about z": rotations_about(Z),
    "about an axis, mirrors": rotations_about((1.0, -2.0, 0.5), mirrors=True),
}
# SL(2): not compact, so that maps and invariant tensors differ.
SHEARS = Symmetry("SL(2)", torch.tensor([[[0.0, 1], [0, 0]], [[0, 0], [1, 0]], [[1, 0], [0, -1]]]).double())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def values(rep, count=20, seed=0):
    return torch.randn(count, rep.size, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("group", "dimensions"),
    [
        # of invariant tensors of rank 0 to 4: pairings of axes; a Levi-Civita tensor under rotations
        ("O(3)", [1, 0, 1, 0, 3]),
        ("SO(3)", [1, 0, 1, 1, 3]),
        ("O(2)", [1, 0, 1, 0, 3]),
        ("SO(2)", [1, 0, 2, 0, 6]),
        # vectors are a sum of 1 and exp(+-i angle): constant terms of (1 + t + 1/t)^rank
        ("about z", [1, 1, 3, 7, 19]),
        # half of that and of what mirrors add: (constant terms + 1) / 2
        ("about an axis, mirrors", [1, 1, 2, 4, 10]),
    ],
)
def test_there_are_as_many_equivariant_maps_as_theory_says(group, dimensions):
    for rank, want in enumerate(dimensions):
        for rank_in in range(rank + 1):
            assert equivariant_maps(GROUPS[group], rank_in, rank - rank_in).shape[-1] == want


def test_known_maps_are_found():
    assert equivariant_maps(SHEARS, 1, 1).shape[-1] == 1  # multiples of the identity
    assert equivariant_maps(SHEARS, 0, 2).shape[-1] == 1  # and of the area form
    identity = torch.eye(3).double() / 3**0.5
    found = equivariant_maps(GROUPS["O(3)"], 1, 1)[..., 0]
    torch.testing.assert_close(found * found[0, 0].sign(), identity)
    cross = equivariant_maps(GROUPS["SO(3)"], 1, 2)[..., 0].view(3, 3, 3)
    torch.testing.assert_close(cross, -cross.transpose(0, 1), atol=1e-12, rtol=0)
    axis = equivariant_maps(GROUPS["about an axis, mirrors"], 0, 1)[:, 0, 0]
    direction = torch.tensor([1.0, -2.0, 0.5]).double()
    torch.testing.assert_close((axis @ direction).abs(), direction.norm())


@pytest.mark.parametrize("group", [*GROUPS, "SL(2)"])
def test_maps_commute_with_elements_and_are_orthonormal(group):
    symmetry = GROUPS.get(group, SHEARS)
    elements = symmetry.sample(6, generator=generator())
    if group == "SL(2)":
        elements = torch.linalg.matrix_exp(symmetry.algebra)
    for rank_in in range(3):
        for rank_out in range(3):
            basis = equivariant_maps(symmetry, rank_in, rank_out)
            flat = basis.flatten(0, 1)
            torch.testing.assert_close(flat.mT @ flat, torch.eye(flat.shape[1]).double(), atol=1e-12, rtol=0)
            for g in elements:
                there, here = tensor_power(g, rank_out), tensor_power(g, rank_in)
                for w in basis.unbind(-1):
                    torch.testing.assert_close(there @ w, w @ here, atol=1e-9, rtol=0)


@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "about z"])
def test_projections_are_orthogonal_and_what_they_give_is_equivariant(group):
    rep_in, rep_out = TensorSum((2, 3, 1)), TensorSum((1, 2, 2))
    projector = Projector(GROUPS[group], rep_in, rep_out)
    w, u = (torch.randn(rep_out.size, rep_in.size, generator=generator(s), dtype=torch.float64) for s in (0, 1))
    pw = projector.weight(w)
    torch.testing.assert_close(projector.weight(pw), pw)
    torch.testing.assert_close((pw * u).sum(), (w * projector.weight(u)).sum())
    torch.testing.assert_close(projector.equivariant_square(w), pw.square().sum())
    b = torch.randn(rep_out.size, generator=generator(2), dtype=torch.float64)
    model = lambda x: x @ pw.T + projector.bias(b)  # noqa: E731
    error = equivariance_error(model, GROUPS[group], values(rep_in), action_in=rep_in.act, action_out=rep_out.act)
    assert error.worst < 1e-10
    free = equivariance_error(
        lambda x: x @ w.T + b, GROUPS[group], values(rep_in), action_in=rep_in.act, action_out=rep_out.act
    )
    assert free.mean > 0.1


def test_the_dimension_is_the_trace_of_the_projection():
    rep_in, rep_out = TensorSum((2, 1)), TensorSum((1, 2))
    projector = Projector(GROUPS["about z"], rep_in, rep_out)
    ones = torch.eye(rep_in.size * rep_out.size).double().view(-1, rep_out.size, rep_in.size)
    trace = sum(float((projector.weight(one) * one).sum()) for one in ones)
    assert trace == pytest.approx(projector.dimension)


def test_a_projection_is_the_mean_over_the_group():
    """For a finite group, where the mean can be taken: quarter turns, as discrete elements alone."""
    quarter = torch.tensor([[0.0, -1], [1, 0]]).double()
    symmetry = Symmetry("quarter turns", torch.zeros(0, 2, 2).double(), quarter[None])
    rep = TensorSum((1, 2, 1), 2)
    w = torch.randn(rep.size, rep.size, generator=generator(), dtype=torch.float64)
    eye, mean = torch.eye(rep.size).double(), torch.zeros_like(w)
    for k in range(4):
        g = rep.act(torch.linalg.matrix_power(quarter, k), eye).T
        mean += g.T @ w @ g / 4
    torch.testing.assert_close(Projector(symmetry, rep, rep).weight(w), mean)


def test_tensors_turn_on_every_axis():
    g, rep = rotations(3).sample(1, generator=generator())[0], TensorSum((2, 0, 0, 2))
    x = values(rep)
    want = torch.cat([x[:, :2], x[:, 2:29] @ tensor_power(g, 3).T, x[:, 29:] @ tensor_power(g, 3).T], 1)
    torch.testing.assert_close(rep.act(g, x), want)


@pytest.mark.parametrize("group", list(GROUPS))
def test_samples_are_of_the_group_and_of_all_its_components(group):
    elements = GROUPS[group].sample(200, generator=generator())
    n = elements.shape[-1]
    torch.testing.assert_close(elements @ elements.mT, torch.eye(n).double().expand(200, n, n), atol=1e-10, rtol=0)
    share = float((torch.linalg.det(elements) > 0).double().mean())
    assert share == 1 if not len(GROUPS[group].discrete) else 0.3 < share < 0.7


def test_wrong_arguments_are_named():
    with pytest.raises(InvalidInput, match="give the same n"):
        Projector(GROUPS["SO(2)"], TensorSum((2,)), TensorSum((2,)))
    with pytest.raises(InvalidInput, match="use tensors of lower rank"):
        equivariant_maps(GROUPS["O(3)"], 4, 4)
    with pytest.raises(InvalidInput, match="counts of at least 0"):
        TensorSum((2, -1))
    with pytest.raises(InvalidInput, match="zero vector"):
        rotations_about((0, 0, 0))
    with pytest.raises(InvalidInput, match="algebra must have shape"):
        Symmetry("odd", torch.zeros(1, 2, 3).double())
