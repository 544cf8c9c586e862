"""Soft equivariance: the penalty is the distance to symmetric weights, and its strengths follow the data."""

import copy

import pytest
import torch
from torch import nn

from geokit.equivariant.measure import equivariance_error
from geokit.equivariant.soft_equivariance import SoftEquivariance
from geokit.equivariant.soft_projectors import Projector, TensorSum
from geokit.equivariant.symmetries import orthogonal_maps, rotations, rotations_about
from geokit.equivariant.tensor_network import TensorMLP
from geokit.errors import InvalidInput

Z = (0.0, 0.0, 1.0)
ALL = orthogonal_maps(3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def values(rep, count=20, seed=0):
    return torch.randn(count, rep.size, generator=generator(seed), dtype=torch.float64)


def soft(net, share=0.1, **options):
    return SoftEquivariance(net, {"all": ALL, "z": rotations_about(Z, True)}, *REPS, share=share, **options)


REPS = (TensorSum((3, 3)), TensorSum((8, 8, 4)), TensorSum((0, 1)))


def test_the_penalty_is_the_distance_to_equivariant_weights():
    torch.manual_seed(0)
    net = TensorMLP(*REPS).double()
    penalty = soft(net)
    want = {}
    for name, group in (("all", ALL), ("z", rotations_about(Z, True))):
        total = 0.0
        for layer, before, after in penalty.layers:
            projector = Projector(group, before, after)
            total += float((layer.weight - projector.weight(layer.weight)).square().sum().detach())
            total += float((layer.bias - projector.bias(layer.bias)).square().sum().detach())
        want[name] = total
        assert float(penalty.violations()[name].detach()) == pytest.approx(total)
    assert want["z"] < want["all"]  # a smaller group forbids less
    assert float(penalty().detach()) == pytest.approx(1e-3 * sum(want.values()))
    assert 0 < penalty.relative_violations()["z"] < penalty.relative_violations()["all"] < 1
    hard = TensorMLP(*REPS, symmetry=ALL).double()
    assert max(soft(hard).relative_violations().values()) < 1e-12


def test_the_penalty_pulls_weights_until_the_network_is_equivariant():
    torch.manual_seed(0)
    net = TensorMLP(*REPS).double()
    penalty, x = soft(net, start=1.0), values(REPS[0])

    def error():
        actions = {"action_in": REPS[0].act, "action_out": REPS[2].act}
        return equivariance_error(net, ALL, x, count=9, **actions).mean

    before, optimizer = error(), torch.optim.SGD(net.parameters(), 0.2)
    for _ in range(60):
        optimizer.zero_grad()
        penalty().backward()
        optimizer.step()
    assert error() < 1e-3 * before


def test_gradients_of_the_penalty_agree_with_differences():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(7, 10), nn.Tanh(), nn.Linear(10, 3)).double()
    penalty = SoftEquivariance(net, {"all": ALL}, TensorSum((1, 2)), TensorSum((1, 3)), TensorSum((0, 1)))
    parameters = list(net.parameters())

    def of(*new):
        with torch.no_grad():
            for p, q in zip(parameters, new):
                p.copy_(q)
        return float(penalty().detach())

    grads = torch.autograd.grad(penalty(), parameters)
    start = [p.detach().clone() for p in parameters]
    for i, gradient in enumerate(grads):
        direction = torch.randn(gradient.shape, generator=generator(i), dtype=torch.float64)
        ends = [of(*[p + (e * direction if k == i else 0) for k, p in enumerate(start)]) for e in (1e-4, -1e-4)]
        assert (ends[0] - ends[1]) / 2e-4 == pytest.approx(float((gradient * direction).sum()), rel=1e-6)


def test_a_start_near_a_symmetry_keeps_the_size_of_weights():
    torch.manual_seed(0)
    net = TensorMLP(TensorSum((8, 8)), TensorSum((16, 16, 8)), TensorSum((0, 0, 4)))
    penalty = SoftEquivariance(net, {"all": ALL}, net.rep_in, net.rep_hidden, net.rep_out)
    before = float(net.linears[1].weight.detach().square().sum())
    dense = copy.deepcopy(net.state_dict())
    penalty.start_near("all", noise=0.0)
    assert penalty.relative_violations()["all"] < 1e-6
    net.load_state_dict(dense)
    penalty.start_near("all", noise=0.1)
    assert 1e-3 < penalty.relative_violations()["all"] < 0.05
    assert 0.2 < float(net.linears[1].weight.detach().square().sum()) / before < 5


@pytest.mark.parametrize("broken", [False, True])
def test_strengths_tell_which_symmetry_the_data_has(broken):
    """Noisy vectors that turn with the input, or whose third component is reversed: then about z alone."""
    torch.manual_seed(0)
    net = nn.Linear(9, 3)
    groups = {"all": rotations(3), "z": rotations_about(Z)}
    penalty = SoftEquivariance(net, groups, TensorSum((0, 3)), [], TensorSum((0, 1)))
    x = torch.randn(200, 3, 3, generator=generator())
    target = x[:, 0] - 0.5 * x[:, 2] + 0.3 * torch.randn(200, 3, generator=generator(1))
    if broken:
        target = target * torch.tensor([1.0, 1.0, -1.0])
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for step in range(600):
        optimizer.zero_grad()
        loss = (net(x.flatten(1)) - target).square().mean()
        (loss + penalty()).backward()
        optimizer.step()
        if step % 10 == 9:
            strengths = penalty.retune(float(loss.detach()))
    found = penalty.relative_violations()
    assert float(loss.detach()) < 0.1
    assert found["z"] < 1e-3
    assert strengths["z"] > 0.9
    assert (found["all"] > 0.3) == (strengths["all"] < 0.05) == broken


def test_retuning_sets_each_penalty_to_its_share_of_the_loss():
    torch.manual_seed(0)
    penalty = soft(TensorMLP(*REPS).double(), share=0.2)
    for _ in range(40):
        strengths = penalty.retune(0.5)
    for name, violation in penalty.violations().items():
        assert strengths[name] * float(violation.detach()) == pytest.approx(0.1, rel=1e-6)
    assert penalty.retune(1e9)["all"] <= 1.0
    restored = soft(TensorMLP(*REPS))
    restored.load_state_dict(penalty.state_dict())
    assert restored.current_strengths() == penalty.current_strengths()
    assert not list(penalty.parameters())


def test_wrong_arguments_are_named():
    net = TensorMLP(*REPS)
    groups = {"all": ALL}
    with pytest.raises(InvalidInput, match="linear layer 0 takes 12 numbers"):
        SoftEquivariance(net, groups, TensorSum((2, 3)), *REPS[1:])
    with pytest.raises(InvalidInput, match="has none"):
        SoftEquivariance(nn.Tanh(), groups, *REPS)
    with pytest.raises(InvalidInput, match="2 hidden ones, got 1"):
        SoftEquivariance(net, groups, REPS[0], [REPS[1]], REPS[2])
    with pytest.raises(InvalidInput, match="needs a group"):
        SoftEquivariance(net, {}, *REPS)
    with pytest.raises(InvalidInput, match="above 0"):
        soft(net, share=0.0)
    with pytest.raises(InvalidInput, match="finite"):
        soft(net).retune(float("nan"))
    with pytest.raises(InvalidInput, match="the groups of this penalty are all, z"):
        soft(net).start_near("O(3)")
