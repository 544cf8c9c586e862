"""Training on particles: results, a run that is stopped and goes on, what is refused, equivariance as measured."""

import json
import os
import signal

import pytest
import torch
from torch import nn

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io import load_checkpoint, load_photograph
from geokit.pipelines.interrupt import Interrupted
from geokit.pipelines.nbody_data import load_nbody, save_nbody
from geokit.pipelines.nbody_simulation import simulate_nbody
from geokit.pipelines.observer import Observer
from geokit.pipelines.train_nbody import equivariance_error, train_nbody

QUICK = {"epochs": 30, "batch": 16, "rate": 0.05, "evaluations": 3, "average": 0.8}


class Coasting(nn.Module):
    """Particles go on a learned share of their way, and are pushed apart by charges; pull breaks the symmetry."""

    def __init__(self, pull=0.0):
        super().__init__()
        self.share, self.push, self.dropout = nn.Parameter(torch.zeros(())), nn.Linear(2, 1), nn.Dropout(0.2)
        self.pull = pull

    def forward(self, x, v, charges):
        apart = x[:, :, None] - x[:, None]
        products = charges[:, :, None] * charges[:, None]
        pushes = self.push(torch.stack([products, products / (1 + apart.square().sum(-1))], -1))
        down = self.pull * torch.tensor([0.0, 0, 1])
        return x + self.share * self.dropout(v) + 0.1 * (pushes * apart).sum(2) + down


def coasting(settings):
    return Coasting()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "few.npz"
    save_nbody(file, simulate_nbody({"train": 48, "valid": 20, "test": 30}))
    return file


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder of a finished training and its results; not to be changed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained") / "out"
    return folder, train_nbody(folder, network=coasting, data=data, **QUICK)


class Stopper(Observer):
    """Presses Ctrl-C once so much of the training is done."""

    def __init__(self, permille):
        self.permille = permille

    def count(self, text, done, total):
        if done >= self.permille:
            self.permille = 10**9
            os.kill(os.getpid(), signal.SIGINT)


def test_results_weights_and_curve_are_written(finished, data):
    folder, results = finished
    assert json.loads((folder / "results.json").read_text()) == results
    test = results["test"]
    assert test["samples"] == 30
    assert test["mse"] < test["mse_straight_on"] < test["mse_where_they_are"]
    assert test["equivariance_error"] < 1e-4
    assert results["settings"]["data"] == str(data)
    assert results["settings"]["epochs"] == 30
    assert [line["epoch"] for line in results["curve"]] == [10, 20, 30]
    assert results["steps"] == 90
    weights, about = load_checkpoint(folder / "network.safetensors")
    assert about == {"task": "nbody", "settings": results["settings"]}
    Coasting().load_state_dict(weights)
    assert load_photograph(folder / "curve.png").float().std() > 5


def test_a_run_that_is_stopped_goes_on_to_the_same_result(finished, data, tmp_path):
    folder, whole = finished
    out = tmp_path / "out"
    with pytest.raises(Interrupted, match=r"stopped in epoch 12\.\d; all is saved, go on with: geokit train nbody"):
        train_nbody(out, network=coasting, data=data, observer=Stopper(400), **QUICK)
    assert not (out / "results.json").exists()
    results = train_nbody(out, network=coasting, resume=True)
    assert results["test"] == whole["test"]
    assert (out / "network.safetensors").read_bytes() == (folder / "network.safetensors").read_bytes()
    again = train_nbody(out, network=coasting, resume=True, epochs=30)  # it had ended
    assert again["test"] == whole["test"]


def test_data_are_made_where_none_are_given(monkeypatch, data, tmp_path):
    few = load_nbody(data)
    monkeypatch.setattr("geokit.pipelines.train_nbody.simulate_nbody", lambda observer: few)
    train_nbody(tmp_path / "out", network=coasting, epochs=1)
    assert torch.equal(load_nbody(tmp_path / "out" / "nbody.npz")["test"].x1, few["test"].x1)


def test_what_cannot_go_on(finished, data, tmp_path):
    folder, _ = finished
    for options, sentence in (
        ({}, "already holds a run; go on with --resume"),
        ({"resume": True, "overwrite": True}, "contradict each other"),
        ({"resume": True, "rate": 0.1}, "was begun with rate = 0.05, which cannot become 0.1"),
        ({"hidden": 0}, "hidden must be a whole number"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            train_nbody(folder, network=coasting, **options)
    with pytest.raises(InvalidInput, match="holds no run to go on with"):
        train_nbody(tmp_path / "none", network=coasting, resume=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="is a file, but the output is a folder"):
        train_nbody(tmp_path / "file", network=coasting)
    with pytest.raises(UnreadableFile, match="does not exist"):
        train_nbody(tmp_path / "out", network=coasting, data=tmp_path / "nothing.npz")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_other_data_or_networks_is_refused(data, tmp_path):
    out, moved = tmp_path / "out", tmp_path / "moved.npz"
    moved.write_bytes(data.read_bytes())
    train_nbody(out, network=coasting, data=moved, **QUICK)
    with pytest.raises(UnreadableFile, match="is not a checkpoint of this network"):
        train_nbody(out, network=lambda settings: nn.Linear(2, 3), resume=True)
    few = load_nbody(data)
    save_nbody(moved, few | {"train": few["test"]})
    with pytest.raises(InvalidInput, match="the training data are not those"):
        train_nbody(out, network=coasting, resume=True)
    (out / "settings.json").write_text('{"epochs": [1]}')
    with pytest.raises(UnreadableFile, match=r"settings\.json is not that of a run of this kind"):
        train_nbody(out, network=coasting, resume=True)


def test_the_equivariance_error_tells_a_network_that_pulls_down(data):
    test = load_nbody(data)["test"]
    straight, pulled = Coasting(), Coasting(pull=0.5)
    for network in (straight, pulled):
        nn.init.ones_(network.share)
        network.eval()
    assert equivariance_error(straight, test) < 1e-4
    assert equivariance_error(pulled, test) > 0.3
