"""Rows of parameters, moments and frequency units stay together, whatever happens to them."""

import pytest
import torch

from geokit.geometry import Splats
from geokit.splatting.optimizer import SplatOptimizer
from geokit.splatting.schedule import TrainConfig, learning_rates
from tests.splatting.worlds import random_scene

N = 6


def random_gradients(optimizer: SplatOptimizer, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    for parameter in optimizer.parameters.values():
        parameter.grad = torch.randn(parameter.shape, generator=g)


def stepped(optimizer: SplatOptimizer, seed: int) -> None:
    random_gradients(optimizer, seed)
    optimizer.step(learning_rates(TrainConfig(), optimizer.splats, 1.0, 0.0))


def some_splats(waves: int = 2) -> Splats:
    return random_scene(0, count=N, waves=waves, degree=1)[0].to(torch.float32)


def some_optimizer() -> SplatOptimizer:
    """After two steps, with units that differ between rows."""
    optimizer = SplatOptimizer(some_splats())
    units = 1 + torch.arange(float(N))[:, None, None]
    splats = some_splats()
    optimizer.set_waves(splats.wave_frequencies / units, splats.wave_weights, units)
    for seed in range(2):
        stepped(optimizer, seed)
    assert all(bool(m.any(-1).all()) for m in optimizer.second_moments.values() if m.dim() == 2)
    return optimizer


def snapshot(optimizer: SplatOptimizer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in optimizer.state().items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def assert_trainable(optimizer: SplatOptimizer) -> None:
    """Contiguous leaves with gradients, moments of the same shape: another step works and moves everything."""
    for name, parameter in optimizer.parameters.items():
        assert parameter.is_leaf
        assert parameter.requires_grad
        assert parameter.is_contiguous()
        assert optimizer.first_moments[name].shape == optimizer.second_moments[name].shape == parameter.shape
    before = snapshot(optimizer)
    stepped(optimizer, 9)
    after = optimizer.state()
    assert not any(torch.equal(after[name], before[name]) for name, t in optimizer.parameters.items() if t.numel())


@pytest.mark.parametrize(
    "index", [torch.tensor([4, 0, 5]), torch.tensor([True, False, True, True, False, False]), torch.arange(0)]
)
def test_keep(index):
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    optimizer.keep(index)
    assert_same(optimizer.state(), {name: tensor[index] for name, tensor in before.items()})
    assert len(optimizer) == len(before["means"][index])
    if len(optimizer):
        assert_trainable(optimizer)


def test_append():
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    source, means = torch.tensor([3, 3, 1]), torch.randn(3, 3)
    optimizer.append(source, {"means": means})
    after = snapshot(optimizer)
    assert_same({name: tensor[:N] for name, tensor in after.items()}, before)
    for name, tensor in after.items():
        expected = torch.zeros_like(before[name][source]) if "moment." in name else before[name][source]
        assert torch.equal(tensor[N:], means if name == "means" else expected), name
    assert_trainable(optimizer)


def test_copy_rows():
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    target, source = torch.tensor([0, 5]), torch.tensor([2, 2])
    optimizer.copy_rows(target, source)
    for name, tensor in before.items():
        tensor[target] = 0 if "moment." in name else tensor[source]
    assert_same(optimizer.state(), before)
    assert_trainable(optimizer)


def test_rewrite():
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    rows, values = torch.tensor([1, 4]), torch.randn(2, 3)
    optimizer.rewrite(rows, {"log_scales": values})
    for name, tensor in before.items():
        if name == "log_scales":
            tensor[rows] = values
        elif "moment." in name:
            tensor[rows] = 0
    assert_same(optimizer.state(), before)
    assert_trainable(optimizer)


def test_extend_sh():
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    for degree in (0, 1):
        optimizer.extend_sh(degree)
        assert_same(optimizer.state(), before)
    optimizer.extend_sh(3)
    for name, tensor in optimizer.state().items():
        if name.endswith("sh_coeffs"):
            assert tensor.shape == (N, 16, 3)
            assert torch.equal(tensor[:, :4], before[name])
            assert not tensor[:, 4:].any()
        else:
            assert torch.equal(tensor, before[name])
    assert optimizer.splats.sh_degree == 3
    assert_trainable(optimizer)


def test_set_waves():
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    frequencies, weights, units = torch.randn(N, 3, 3), torch.randn(N, 3, 2), torch.rand(N, 1, 1) + 0.5
    optimizer.set_waves(frequencies, weights, units)
    torch.testing.assert_close(optimizer.splats.wave_frequencies, frequencies * units)
    assert torch.equal(optimizer.splats.wave_weights, weights)
    for name, tensor in optimizer.state().items():
        if "wave" not in name and "units" not in name:
            assert torch.equal(tensor, before[name])
        elif "moment." in name:
            assert not tensor.any()
    assert_trainable(optimizer)


def test_frequencies_are_trained_in_the_units_given():
    """Of two equal splats, one in units ten times as large: the same step changes its frequency ten times as much."""
    optimizer = SplatOptimizer(some_splats()[torch.tensor([0, 0])])
    units = torch.tensor([1.0, 10.0])[:, None, None]
    before = optimizer.splats.wave_frequencies.detach().clone()
    optimizer.set_waves(before / units, torch.zeros(2, 2, 2), units)
    optimizer.splats.wave_frequencies.sum().backward()
    optimizer.step(learning_rates(TrainConfig(), optimizer.splats, 1.0, 0.0))
    change = optimizer.splats.wave_frequencies.detach() - before
    torch.testing.assert_close(change[1], 10 * change[0], rtol=1e-4, atol=1e-5)
    assert change.abs().min() > 0


def test_a_step_consumes_the_gradients_and_leaves_what_has_none():
    optimizer = some_optimizer()
    before = snapshot(optimizer)
    random_gradients(optimizer, 5)
    optimizer.parameters["means"].grad = None
    rates = learning_rates(TrainConfig(), optimizer.splats, 1.0, 0.0)
    optimizer.step(rates)
    after = optimizer.state()
    assert torch.equal(after["means"], before["means"])
    assert torch.equal(after["first_moment.means"], before["first_moment.means"])
    assert not torch.equal(after["quats"], before["quats"])
    assert all(p.grad is None for p in optimizer.parameters.values())
    assert optimizer.step_count == 3
    kept = snapshot(optimizer)
    optimizer.step(rates)
    assert_same(optimizer.state(), kept)


def test_the_splats_given_stay_as_they_are():
    splats = some_splats()
    before = splats.map(torch.clone)
    stepped(SplatOptimizer(splats), 0)
    assert all(torch.equal(a, b) for a, b in zip(splats.tensors().values(), before.tensors().values()))


@pytest.mark.parametrize("waves", [0, 2])
def test_state_and_back_is_exact_and_goes_on_alike(waves):
    optimizer = SplatOptimizer(some_splats(waves))
    stepped(optimizer, 0)
    state = snapshot(optimizer)
    again = SplatOptimizer.from_state(state, optimizer.step_count)
    assert_same(again.state(), state)
    kept = {name: tensor.clone() for name, tensor in state.items()}
    for each in (optimizer, again):
        stepped(each, 1)
    assert_same(again.state(), snapshot(optimizer))
    assert again.step_count == optimizer.step_count == 2
    assert_same(state, kept)  # the resumed one trains memory of its own
    assert_trainable(again)
