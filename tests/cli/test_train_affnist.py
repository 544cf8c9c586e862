"""geokit train affnist, as typed."""

import json

import pytest

from geokit.cli.main import main
from geokit.cli.train import AffNist
from geokit.equivariant.lie import AffineConvNet, GLPlus, GroupConvNet
from geokit.pipelines import train_affnist as pipeline
from geokit.pipelines.affine_digits import LAWS
from geokit.pipelines.affine_learners import CanonicalLearner, DirectLearner
from geokit.pipelines.train_affnist import AffnistSettings
from tests.cli.test_main import said, sentence
from tests.pipelines.few_digits import write_digits


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits") / "few.npz", 40)


@pytest.fixture
def small(monkeypatch):
    """Small networks, few test digits, and the options that networks were made by."""
    seen = []

    def learner(settings):
        seen.append(settings)
        if settings.network == "sampled":
            return DirectLearner(GroupConvNet(GLPlus(2), widths=(4,), samples=2, hidden=8))
        return CanonicalLearner(AffineConvNet(GLPlus(2), widths=(4, 4), angles=16, radii=4, poses=4))

    monkeypatch.setitem(pipeline.train_affnist.__kwdefaults__, "learner", learner)
    original = AffnistSettings.__init__

    def init(self, *, valid=10, test=20, **options):
        original(self, valid=valid, test=test, **options)

    monkeypatch.setattr(AffnistSettings, "__init__", init)
    return seen


def test_the_help_tells_the_defaults_that_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["train", "affnist", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    usual = AffnistSettings(data="mnist.npz")
    shown = set(AffNist.__dataclass_fields__) & set(AffnistSettings.__dataclass_fields__) - {"cpu_seconds", "data"}
    assert len(shown) >= 7
    for option in sorted(shown):
        section = text.split(f" --{option.replace('_', '-')} ", 1)[1].split(" --", 1)[0]
        assert f"(default: {getattr(usual, option)}" in section, f"geokit/cli/train.py: {option}"


def test_digits_are_learned_and_told(capsys, data, tmp_path, small):
    out = tmp_path / "out"
    arguments = ["train", "affnist", "--data", data, "--output", out, "--epochs", 1, "--digits", 20, "--batch", 10]
    told = " ".join(said(capsys, [*arguments, "--group", "sl", "--precision", "bfloat16"], 0).out.split())
    assert small[0].group == "sl"
    assert small[0].precision == "bfloat16"
    for words in ("as they are", "as in affNIST", "in any pose", "background noise of 0.05", "over 20 digits"):
        assert words in told
    assert told.count("(learned poses)") == 1 + len(LAWS)
    for name in ("results.json", "curve.png", "network.safetensors"):
        assert (out / name).is_file()
    assert "already holds a run" in sentence(capsys, arguments)
    again = json.loads(said(capsys, ["train", "affnist", "--output", out, "--resume", "--json"], 0).out)
    assert again == json.loads((out / "results.json").read_text())
    assert list(again["test"]["laws"]) == ["centered", *LAWS]


def test_a_sampled_network_has_one_way_of_asking(capsys, data, tmp_path, small):
    arguments = ["--data", data, "--output", tmp_path / "out", "--epochs", 1, "--digits", 10, "--batch", 10]
    told = said(capsys, ["train", "affnist", *arguments, "--network", "sampled"], 0).out
    assert "(any pose)" not in told
    assert "as they are" in told


def test_what_cannot_be_is_one_sentence(capsys, data, tmp_path):
    out = ["train", "affnist", "--output", tmp_path / "out"]
    assert "name the digits' file with --data" in sentence(capsys, out)
    assert "nothing.npz does not exist" in sentence(capsys, [*out, "--data", tmp_path / "nothing.npz"])
    assert "digits must be a whole number, 10 to 50000" in sentence(capsys, [*out, "--data", data, "--digits", 5])
    bfloat = [*out, "--data", data, "--network", "sampled", "--precision", "bfloat16"]
    assert "only the network canonical" in sentence(capsys, bfloat)
    assert "holds no run to go on with" in sentence(capsys, [*out, "--resume"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in [*out, "--group", "o"]])
    assert stop.value.code == 2
