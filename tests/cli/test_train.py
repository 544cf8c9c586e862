"""geokit train, as typed."""

import json

import pytest

from geokit.cli.main import main
from geokit.cli.train import NBody, PointClouds
from geokit.pipelines.nbody_data import save_nbody
from geokit.pipelines.nbody_simulation import simulate_nbody
from geokit.pipelines.train_nbody import NBodySettings
from geokit.pipelines.train_pointclouds import PointCloudSettings
from tests.cli.test_main import said, sentence

SMALL = ["--epochs", 1, "--hidden", 4, "--layers", 1]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "few.npz"
    save_nbody(file, simulate_nbody({"train": 20, "valid": 10, "test": 10}))
    return file


@pytest.mark.parametrize(
    ("name", "task", "settings"), [("nbody", NBody, NBodySettings), ("pointclouds", PointClouds, PointCloudSettings)]
)
def test_the_help_tells_the_defaults_that_there_are(capsys, name, task, settings):
    with pytest.raises(SystemExit):
        main(["train", name, "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    usual = settings()
    shown = sorted(set(task.__dataclass_fields__) & set(settings.__dataclass_fields__) - {"cpu_seconds", "data"})
    assert len(shown) >= 6
    for option in shown:
        section = text.split(f" --{option.replace('_', '-')} ", 1)[1].split(" --", 1)[0]
        assert f"(default: {getattr(usual, option)}" in section, f"geokit/cli/train.py: {option}"


def test_particles_are_learned_and_told(capsys, data, tmp_path):
    arguments = ["train", "nbody", "--data", data, "--output", tmp_path / "out", *SMALL]
    out = said(capsys, arguments, 0).out
    assert "mean squared error of a coordinate, over 10 samples" in out
    assert "if particles went straight on" in out
    for name in ("results.json", "curve.png", "network.safetensors"):
        assert (tmp_path / "out" / name).is_file()
        assert str(tmp_path / "out" / name) in out
    assert "already holds a run" in sentence(capsys, arguments)
    again = json.loads(said(capsys, [*arguments[:2], "--output", tmp_path / "out", "--resume", "--json"], 0).out)
    assert again == json.loads((tmp_path / "out" / "results.json").read_text())
    assert again["test"]["equivariance_error"] < 1e-3


def test_ctrl_c_while_testing_tells_that_training_is_saved(capsys, data, tmp_path, monkeypatch):
    def ctrl_c(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("geokit.pipelines.train_nbody.equivariance_error", ctrl_c)
    arguments = ["train", "nbody", "--output", tmp_path / "out"]
    told = sentence(capsys, [*arguments, "--data", data, *SMALL], 130)
    assert f"what was trained is saved, go on with: geokit train nbody --output {tmp_path / 'out'} --resume" in told
    monkeypatch.undo()
    assert "over 10 samples" in said(capsys, [*arguments, "--resume"], 0).out


def test_shapes_are_learned_and_told(capsys, tmp_path):
    few = ["--train", 2, "--points", 32, "--neighbors", 4]
    out = said(capsys, ["train", "pointclouds", "--output", tmp_path / "out", *few, *SMALL], 0).out
    assert "of 800 upright clouds, 16 classes" in out
    assert "of the same clouds in any orientation" in out
    assert "drop" in out


def test_what_cannot_be_is_one_sentence(capsys, data, tmp_path):
    out = ["--output", tmp_path / "out"]
    assert "nothing.npz does not exist" in sentence(
        capsys, ["train", "nbody", *out, "--data", tmp_path / "nothing.npz"]
    )
    assert "rate must be a number above 0" in sentence(capsys, ["train", "nbody", *out, "--rate", 0])
    assert "neighbors must be fewer than points" in sentence(
        capsys, ["train", "pointclouds", *out, "--points", 16, "--neighbors", 16]
    )
    for word in ("lying", "None"):
        told = sentence(capsys, ["train", "pointclouds", *out, "--pose", word])
        assert f"pose must be upright, turned or rotated, got '{word}'" in told
    assert "holds no run to go on with" in sentence(capsys, ["train", "pointclouds", *out, "--resume"])
    assert not (tmp_path / "out").exists()
    for arguments in (["train"], ["train", "cats"], ["train", "nbody"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
