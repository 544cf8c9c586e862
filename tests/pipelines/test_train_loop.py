"""The training loop: that it learns, selects, stops and goes on with the same bits."""

import json
import math

import pytest
import torch
from torch import nn

from geokit.errors import InvalidInput, NumericalFailure
from geokit.io import load_checkpoint, save_checkpoint
from geokit.pipelines.train_loop import Problem, TrainLoop, schedule
from geokit.pipelines.train_settings import TrainSettings, settings_of


def problem(noise=0.0):
    """A line to be found by a network that drops values at random and keeps statistics."""
    torch.manual_seed(3)
    x = torch.randn(130, 4)
    y = x @ torch.tensor([1.0, -2, 0.5, 3]) + 1
    network = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.1), nn.Linear(4, 1))

    def loss(rows):
        return (network(x[rows])[:, 0] - y[rows]).square().mean() * (1 + noise)

    def validate(candidate):
        with torch.no_grad():
            return float((candidate(x)[:, 0] - y).square().mean())

    return Problem(network, len(x), loss, validate, "squared error")


def finished(loop):
    for _ in loop.steps():
        pass
    return loop


SETTINGS = TrainSettings(epochs=12, batch=32, rate=0.05, average=0.9, evaluations=6, seed=1)


def test_it_learns_and_keeps_the_best():
    loop = finished(TrainLoop(problem(), SETTINGS))
    assert loop.step_number == 12 * 4  # what does not fill a batch waits for another epoch
    assert [line["epoch"] for line in loop.curve] == [2, 4, 6, 8, 10, 12]
    assert loop.curve[-1]["validation"] < 0.1 * loop.curve[0]["validation"]
    assert loop.selected["validation"] == min(line["validation"] for line in loop.curve)
    loop.averaged.load_state_dict(loop.best)
    assert loop.problem.validate(loop.averaged) == loop.selected["validation"]
    assert loop.cpu_seconds > 0
    json.dumps(loop.curve)


@pytest.mark.parametrize("stop", [1, 5, 8, 47])
def test_a_resumed_run_gives_the_same_bits(tmp_path, stop):
    whole = finished(TrainLoop(problem(), SETTINGS))
    first = TrainLoop(problem(), SETTINGS)
    for _ in first.steps():
        if first.step_number == stop:
            break
    tensors, numbers = first.state()
    save_checkpoint(tmp_path / "c.safetensors", tensors, numbers)
    second = TrainLoop(problem(), SETTINGS)
    second.resume(*load_checkpoint(tmp_path / "c.safetensors"))
    torch.rand(7)  # other random numbers in between do not matter
    finished(second)
    for name, value in whole.state()[0].items():
        assert torch.equal(value, second.state()[0][name]), name

    def figures(loop):
        return [(line["step"], line["loss"], line["validation"]) for line in loop.curve]

    assert figures(whole) == figures(second)


def test_training_leaves_the_random_numbers_of_others_alone():
    loop = TrainLoop(problem(), SETTINGS)
    before = torch.get_rng_state()
    finished(loop)
    assert torch.equal(before, torch.get_rng_state())


def test_a_time_ends_a_run_and_moves_its_schedule():
    loop = finished(TrainLoop(problem(), TrainSettings(cpu_seconds=0.2, evaluations=4)))
    assert loop.settings.epochs is None
    assert 0.2 <= loop.cpu_seconds < 0.5
    assert len(loop.curve) <= 4
    both = finished(TrainLoop(problem(), TrainSettings(cpu_seconds=1000, epochs=1)))
    assert both.epoch == 1


def test_the_rate_rises_and_falls():
    assert [schedule(p, 0.1) for p in (0, 0.05, 0.1, 1)] == pytest.approx([0.01, 0.5, 1, 0.01])
    assert schedule(0.55, 0.1) == pytest.approx(0.505)
    assert schedule(0, 0) == 1


def test_a_loss_that_is_not_finite_is_one_sentence():
    with pytest.raises(NumericalFailure, match=r"the loss is nan at step 1; lower the rate \(0.05\)"):
        finished(TrainLoop(problem(noise=math.nan), SETTINGS))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": 0}, "epochs must be a whole number, at least 1, got 0"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"batch": True}, "batch must be a whole number"),
        ({"cpu_seconds": 0}, "cpu_seconds must be a number above 0, got 0"),
        ({"cpu_seconds": math.inf}, "cpu_seconds must be a number"),
        ({"rate": -1.0}, "rate must be a number above 0 and at most 1"),
        ({"average": 1.0}, "average must be a number at least 0 and at most 0.99999"),
        ({"seed": 2**31}, "seed must be a whole number, 0 to 2147483647"),
        ({"speed": 1}, "there is no option 'speed'; choose among average, batch"),
    ],
)
def test_options_that_cannot_be(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        settings_of(TrainSettings, options)
