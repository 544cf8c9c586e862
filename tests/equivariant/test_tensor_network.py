"""Networks of scalars, vectors and matrices: exactly as symmetric as their linear layers."""

import pytest
import torch

from geokit.equivariant.measure import equivariance_error
from geokit.equivariant.soft_projectors import TensorSum
from geokit.equivariant.symmetries import Symmetry, orthogonal_maps, rotations, rotations_about
from geokit.equivariant.tensor_network import TensorMLP
from geokit.errors import InvalidInput

GROUPS = {"O(3)": orthogonal_maps(3), "about an axis, mirrors": rotations_about((1.0, -2.0, 0.5), mirrors=True)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def values(rep, count=20, seed=0):
    return torch.randn(count, rep.size, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("group", ["O(3)", "about an axis, mirrors"])
def test_a_hard_network_is_exact_and_not_constant(group):
    torch.manual_seed(0)
    rep_in, rep_out = TensorSum((2, 3)), TensorSum((1, 1, 1))
    net = TensorMLP(rep_in, TensorSum((6, 5, 4)), rep_out, 2, GROUPS[group]).double()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    x, target = values(rep_in), values(rep_out, seed=1)
    for _ in range(10):
        optimizer.zero_grad()
        (net(x) - target).square().mean().backward()
        optimizer.step()
    error = equivariance_error(net, GROUPS[group], x, action_in=rep_in.act, action_out=rep_out.act)
    assert error.worst < 1e-10
    out = net(x).detach()
    assert all(part.std(0).max() > 1e-2 for part in out.split(rep_out.sizes, 1))
    larger = equivariance_error(
        net, Symmetry("SO(3)", rotations(3).algebra), x, action_in=rep_in.act, action_out=rep_out.act
    )
    assert (larger.worst > 1e-2) == (group != "O(3)")


@pytest.mark.parametrize("hidden", [(4,), (4, 3), (4, 0, 3), (4, 3, 2)])
def test_nonlinearities_are_equivariant_whatever_there_is(hidden):
    torch.manual_seed(0)
    rep = TensorSum((2, 2))
    net = TensorMLP(rep, TensorSum(hidden), rep, 2, GROUPS["O(3)"]).double()
    error = equivariance_error(net, GROUPS["O(3)"], values(rep), action_in=rep.act, action_out=rep.act, count=10)
    assert error.worst < 1e-10


def test_wrong_arguments_are_named():
    rep = TensorSum((2, 2))
    with pytest.raises(InvalidInput, match="at least one scalar"):
        TensorMLP(rep, TensorSum((0, 3)), rep)
    stretch = Symmetry("a stretch", torch.diag(torch.tensor([1.0, 0, 0]))[None].double())
    with pytest.raises(InvalidInput, match="rotations and mirror images"):
        TensorMLP(rep, rep, rep, symmetry=stretch)
    with pytest.raises(InvalidInput, match="values must have shape"):
        TensorMLP(rep, rep, rep)(torch.zeros(3, 5))
