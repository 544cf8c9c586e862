"""Training on digits: results, a stopped run that goes on, canonical images against a plain network, refusals."""

import json
import os
import signal

import pytest
import torch
from torch import nn

from geokit.equivariant.lie import AffineConvNet, GLPlus, GroupConvNet
from geokit.equivariant.lie.poses import window_prior
from geokit.errors import InvalidInput, UnreadableFile
from geokit.io import load_checkpoint, load_photograph
from geokit.pipelines.affine_digits import LAWS
from geokit.pipelines.affine_learners import CanonicalLearner, DirectLearner
from geokit.pipelines.digits import load_digits
from geokit.pipelines.interrupt import Interrupted
from geokit.pipelines.observer import Observer
from geokit.pipelines.train_affnist import AffnistSettings, accuracies, make_learner, train_affnist
from tests.pipelines.few_digits import SIGNS, write_digits

QUICK = {"digits": 100, "valid": 20, "test": 100, "batch": 20, "rate": 0.01, "average": 0.8, "evaluations": 2}


class Plain(nn.Module):
    """Convolutions, whose result is compared where it is."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 5, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU())
        self.head, self.dropout = nn.Linear(8 * 25, 10), nn.Dropout(0.2)

    def forward(self, images):
        return self.head(self.dropout(self.body(images).flatten(1)))


def plain(settings):
    return DirectLearner(Plain())


def canonical(settings):
    net = AffineConvNet(GLPlus(2), widths=(8, 12), angles=32, radii=8, poses=8)
    return CanonicalLearner(net, bfloat16=settings.precision == "bfloat16")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits") / "few.npz", 150)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder of a finished training of canonical images and its results; not to be changed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained") / "out"
    return folder, train_affnist(folder, learner=canonical, data=data, epochs=12, **QUICK)


class Stopper(Observer):
    """Presses Ctrl-C once so much of the training is done."""

    def __init__(self, permille):
        self.permille = permille

    def count(self, text, done, total):
        if total == 1000 and done >= self.permille:
            self.permille = 10**9
            os.kill(os.getpid(), signal.SIGINT)


def test_results_weights_and_curve_are_written(finished, data):
    folder, results = finished
    assert json.loads((folder / "results.json").read_text()) == results
    laws = results["test"]["laws"]
    assert results["test"]["digits"] == 100
    assert list(laws) == ["centered", *LAWS]
    for ways in laws.values():
        assert list(ways) == ["any pose", "learned poses", "upright"]
        assert all(0 <= share <= 1 for share in ways.values())
    assert results["settings"]["data"] == str(data)
    assert results["settings"]["digits"] == 100
    assert [line["epoch"] for line in results["curve"]] == [6, 12]
    weights, about = load_checkpoint(folder / "network.safetensors")
    assert about == {"task": "affnist", "settings": results["settings"]}
    canonical(AffnistSettings(data=str(data))).network.load_state_dict(weights)
    assert load_photograph(folder / "curve.png").float().std() > 5


def test_canonical_images_are_told_when_moved_and_plain_ones_are_not(finished, data, tmp_path):
    moved = finished[1]["test"]["laws"]
    results = train_affnist(tmp_path / "out", learner=plain, data=data, epochs=12, **QUICK)
    laws = results["test"]["laws"]
    assert list(laws["wide"]) == ["any pose"]
    chance = 1 / len(SIGNS)
    assert laws["centered"]["any pose"] > 0.9
    assert laws["wide"]["any pose"] < 0.6
    assert moved["centered"]["any pose"] > 0.8
    assert moved["wide"]["any pose"] > 0.75 > 2 * chance
    assert moved["wide"]["any pose"] > laws["wide"]["any pose"] + 0.2
    assert moved["affnist"]["upright"] > 0.8


def test_a_run_that_is_stopped_goes_on_to_the_same_result(data, tmp_path):
    options = QUICK | {"epochs": 4, "test": 20, "data": data}
    whole = train_affnist(tmp_path / "whole", learner=canonical, **options)
    out = tmp_path / "out"
    with pytest.raises(Interrupted, match="all is saved, go on with: geokit train affnist"):
        train_affnist(out, learner=canonical, observer=Stopper(500), **options)
    assert not (out / "results.json").exists()
    results = train_affnist(out, learner=canonical, resume=True)
    assert results["test"]["laws"] == whole["test"]["laws"]
    assert (out / "network.safetensors").read_bytes() == (tmp_path / "whole" / "network.safetensors").read_bytes()
    with pytest.raises(InvalidInput, match="was begun with digits = 100"):
        train_affnist(out, learner=canonical, resume=True, digits=50)
    with pytest.raises(InvalidInput, match="there is no option 'colour'; choose among average, batch"):
        train_affnist(out, learner=canonical, resume=True, colour=1)
    with pytest.raises(InvalidInput, match="already holds a run"):
        train_affnist(out, learner=canonical, **options)


def test_canonical_images_vary_in_training_and_not_in_evaluation(data):
    torch.manual_seed(0)
    learner = canonical(AffnistSettings(data=str(data)))
    learner.network.body.eval()
    nn.init.normal_(learner.network.readout.templates, std=0.3)
    images, labels = load_digits(data)["train"].first(12).centered(), torch.arange(12) % 5
    prepared = learner.prepare(images, Observer())
    assert prepared.shape == (12, 2, 1, 32, 8)
    assert torch.allclose(prepared[:, 0], learner.network.canonical_images(images), atol=1e-6)
    edges = prepared.diff(dim=3).square().mean((0, 2, 3, 4))
    assert float(edges[1]) < 0.95 * float(edges[0])
    losses = [float(learner.loss(prepared, labels).detach()) for _ in range(3)]
    assert len(set(losses)) == 3
    torch.manual_seed(1)
    first = learner.loss(prepared, labels)
    torch.manual_seed(1)
    assert torch.equal(learner.loss(prepared, labels), first)
    network = learner.network.eval()
    scores, again = learner.scores(network, images), learner.scores(network, images)
    for way, values in scores.items():
        assert values.shape == (12, 10)
        assert torch.equal(values, again[way])
    assert torch.allclose(scores["any pose"].softmax(1), network(images).softmax(1), atol=1e-5)
    for way, prior in (("upright", window_prior(8, 45)), ("learned poses", None)):
        _ = network.learn_rotation_prior(images) if prior is None else network.set_rotation_prior(prior)
        assert torch.allclose(scores[way].softmax(1), network(images).softmax(1), atol=1e-5)
        assert not torch.allclose(scores[way].softmax(1), scores["any pose"].softmax(1), atol=1e-4)


def test_bfloat16_trains_as_well(finished, data, tmp_path):
    options = QUICK | {"epochs": 12, "test": 60, "precision": "bfloat16"}
    results = train_affnist(tmp_path / "out", learner=canonical, data=data, **options)
    assert results["test"]["laws"]["centered"]["any pose"] > 0.8
    assert results["curve"] != finished[1]["curve"]


def test_the_networks_that_can_be_chosen(data):
    for name, group in (("gl", "GLPlus(2)"), ("sl", "SL(2)"), ("cso", "CSO(2)"), ("so", "SO(2)")):
        made = make_learner(AffnistSettings(group=name, data=str(data)))
        assert isinstance(made, CanonicalLearner)
        assert repr(made.network.group) == group
        assert not made.bfloat16
    assert make_learner(AffnistSettings(precision="bfloat16", data=str(data))).bfloat16
    sampled = make_learner(AffnistSettings(network="sampled", group="sl", data=str(data)))
    assert isinstance(sampled, DirectLearner)
    assert isinstance(sampled.network, GroupConvNet)
    assert repr(sampled.network.group) == "SL(2)"


def test_a_sampled_network_is_asked_about_fewer_digits():
    usual, sampled = AffnistSettings(data="x"), AffnistSettings(network="sampled", data="x")
    assert (usual.valid, usual.test, usual.evaluations) == (2000, 10_000, 20)
    assert (sampled.valid, sampled.test, sampled.evaluations) == (100, 500, 4)
    assert AffnistSettings(network="sampled", valid=30, data="x").valid == 30


@pytest.mark.parametrize("made", [canonical, plain])
def test_the_progress_of_testing_is_told(data, made):
    class Listener(Observer):
        def __init__(self):
            self.told = []

        def count(self, text, done, total):
            self.told.append((text, done, total))

    listener = Listener()
    digits = load_digits(data)["test"].first(600)
    images = {law: digits.centered() for law in ("first", "second")}
    torch.manual_seed(0)
    learner = made(AffnistSettings(data=str(data)))
    network = learner.network.eval()
    shares = accuracies(learner, network, images, digits.labels, listener)
    size = 500 if made is canonical else 50
    expected = [min(600, done + size) + before for before in (0, 600) for done in range(0, 600, size)]
    assert listener.told == [("Testing", done, 1200) for done in expected]
    right = learner.scores(network, images["first"])["any pose"].argmax(1) == digits.labels
    assert shares["first"]["any pose"] == shares["second"]["any pose"] == float(right.double().mean())


def test_a_sampled_network_learns(data, tmp_path):
    """A small one: that its loss falls, and that all of a run works with it."""

    def learner(settings):
        return DirectLearner(GroupConvNet(GLPlus(2), widths=(6,), samples=3, hidden=16, dropout=0.0))

    options = QUICK | {"digits": 40, "test": 10, "valid": 10, "epochs": 6}
    results = train_affnist(tmp_path / "out", learner=learner, data=data, **options)
    assert results["curve"][-1]["loss"] < results["curve"][0]["loss"]


def test_what_cannot_be(data, tmp_path):
    out = tmp_path / "out"
    for options, sentence in (
        ({"digits": 9}, "digits must be a whole number, 10 to 50000, got 9"),
        ({"valid": 10_001}, "valid must be a whole number, 10 to 10000"),
        ({"test": 0}, "test must be a whole number"),
        ({"batch": 1}, "batch must be a whole number, at least 2"),
        ({"network": "both"}, "network must be one of canonical, sampled, got 'both'"),
        ({"group": "o"}, "group must be one of gl, sl, cso, so"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16"),
        ({"network": "sampled", "precision": "bfloat16"}, "only the network canonical is trained in bfloat16"),
        ({"network": "sampled", "evaluations": 0}, "evaluations must be a whole number, at least 1"),
        ({"data": None}, "name the digits' file with --data"),
        ({"colour": 1}, "there is no option 'colour'"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            train_affnist(out, **{"data": data} | options)
    with pytest.raises(UnreadableFile, match=r"nothing\.npz does not exist"):
        train_affnist(out, data=tmp_path / "nothing.npz")
    assert not out.exists()


@pytest.mark.data
def test_real_digits_are_learned_in_seconds(data_folder, tmp_path):
    file = data_folder / "equivariance" / "mnist" / "mnist.npz"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    options = {"digits": 500, "valid": 100, "test": 200, "epochs": 6, "batch": 25, "average": 0.9, "evaluations": 2}
    results = train_affnist(tmp_path / "out", learner=canonical, data=file, rate=0.01, **options)
    laws = results["test"]["laws"]
    assert laws["centered"]["any pose"] > 0.6
    assert laws["wide"]["any pose"] > laws["centered"]["any pose"] - 0.15
