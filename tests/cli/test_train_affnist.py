"""geokit train affnist, as typed."""

import json
from typing import get_args

import pytest

from geokit.cli.main import main
from geokit.cli.train import AffNist
from geokit.equivariant.lie import AffineConvNet, GLPlus, GroupConvNet
from geokit.pipelines import train_affnist as pipeline
from geokit.pipelines.affine_digits import LAWS
from geokit.pipelines.affine_learners import CanonicalLearner, DirectLearner
from geokit.pipelines.train_affnist import AffnistSettings, GroupName, Kind, Precision, moved
from tests.cli.test_main import said, sentence
from tests.pipelines.few_digits import write_digits


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits") / "few.npz", 40)


@pytest.fixture
def small(monkeypatch):
    """Small networks, and the options that they were made by."""
    seen = []

    def learner(settings):
        seen.append(settings)
        if settings.network == "sampled":
            return DirectLearner(GroupConvNet(GLPlus(2), widths=(4,), samples=2, hidden=8))
        return CanonicalLearner(AffineConvNet(GLPlus(2), widths=(4, 4), angles=16, radii=4, poses=4))

    monkeypatch.setitem(pipeline.train_affnist.__kwdefaults__, "learner", learner)
    return seen


def quick(data, out):
    few = ["--epochs", 1, "--digits", 20, "--batch", 10, "--valid", 10, "--test", 20, "--evaluations", 1]
    return ["train", "affnist", "--data", data, "--output", out, *few]


def test_the_help_tells_the_defaults_that_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["train", "affnist", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    usual, sampled = (AffnistSettings(data="mnist.npz", network=kind) for kind in ("canonical", "sampled"))
    shown = set(AffNist.__dataclass_fields__) & set(AffnistSettings.__dataclass_fields__) - {"cpu_seconds", "data"}
    assert len(shown) >= 10
    for option in sorted(shown):
        section = text.split(f" --{option.replace('_', '-')} ", 1)[1].split(" --", 1)[0]
        assert f"(default: {getattr(usual, option)}" in section, f"geokit/cli/train.py: {option}"
        other = f", sampled: {getattr(sampled, option)})"
        assert (other in section) == (option in ("valid", "test", "evaluations")), f"geokit/cli/train.py: {option}"
    for option, kind in (("group", GroupName), ("network", Kind), ("precision", Precision)):
        assert f"--{option} {{{','.join(get_args(kind))}}}" in text
    assert "validation and tests come on top" in text


def test_digits_are_learned_and_told(capsys, data, tmp_path, small):
    out = tmp_path / "out"
    arguments = quick(data, out)
    told = said(capsys, [*arguments, "--group", "sl", "--precision", "bfloat16"], 0).out
    assert small[0].group == "sl"
    assert small[0].precision == "bfloat16"
    assert (small[0].valid, small[0].test, small[0].evaluations) == (10, 20, 1)
    results = json.loads((out / "results.json").read_text())
    lines = [line.split() for line in told.splitlines()]
    assert told.count("Testing") == 1
    assert "Test accuracy over 20 digits" in told
    assert ["digits", "are", "moved", "any", "pose", "learned", "poses", "upright"] in lines
    for law, start in (("centered", "not at all"), ("affnist", "a little"), ("wide", "any rotation, size 0.5")):
        shares = [f"{100 * share:.1f}" for share in results["test"]["laws"][law].values()]
        assert len(shares) == 3
        assert [line[-3:] for line in lines if " ".join(line).startswith(start)] == [shares]
    assert "from the test images, without their labels" in told
    seconds = results["preparation_cpu_seconds"]
    assert seconds > 0
    assert f"canonical images: {seconds:.1f} CPU s, not counted above" in told
    for name in ("results.json", "curve.png", "network.safetensors"):
        assert (out / name).is_file()
        assert str(out / name) in told
    assert "already holds a run" in sentence(capsys, arguments)
    again = json.loads(said(capsys, ["train", "affnist", "--output", out, "--resume", "--json"], 0).out)
    assert again == json.loads((out / "results.json").read_text())
    assert list(again["test"]["laws"]) == ["centered", *LAWS]


def test_a_sampled_network_has_one_way_of_asking(capsys, data, tmp_path, small):
    told = said(capsys, [*quick(data, tmp_path / "out"), "--network", "sampled", "--digits", 10], 0).out
    assert small[0].network == "sampled"
    assert "not at all" in told
    assert "any pose" in told
    assert "learned poses" not in told
    assert "canonical images" not in told


def test_ctrl_c_tells_what_is_saved(capsys, data, tmp_path, small, monkeypatch):
    """Pressed while digits are read, and while the network is tested; `train` itself is tested elsewhere."""

    def ctrl_c(*arguments):
        raise KeyboardInterrupt

    out = tmp_path / "a run"
    arguments = quick(data, out)
    going_on = ["train", "affnist", "--output", out, "--resume"]
    line = f"go on with: geokit train affnist --output '{out}' --resume\n"
    with monkeypatch.context() as reading:
        reading.setattr(pipeline, "load_digits", ctrl_c)
        assert sentence(capsys, arguments, 130) == "geokit: stopped; there was nothing to save yet\n"
    assert not out.exists()
    with monkeypatch.context() as testing:
        testing.setattr(pipeline, "moved", lambda *of: ctrl_c() if "centered" in of[1] else moved(*of))
        assert sentence(capsys, arguments, 130) == f"geokit: stopped; what was trained is saved, {line}"
    checkpoint = (out / "checkpoint.safetensors").read_bytes()
    with monkeypatch.context() as reading:
        reading.setattr(pipeline, "load_digits", ctrl_c)
        assert sentence(capsys, going_on, 130) == f"geokit: stopped; the run is as it was before, {line}"
        assert "before is still there" in sentence(capsys, [*arguments, "--overwrite"], 130)
    assert (out / "checkpoint.safetensors").read_bytes() == checkpoint
    assert "Test accuracy over 20 digits" in said(capsys, going_on, 0).out


def test_what_cannot_be_is_one_sentence(capsys, data, tmp_path):
    out = ["train", "affnist", "--output", tmp_path / "out"]
    assert "name the digits' file with --data" in sentence(capsys, out)
    assert "nothing.npz does not exist" in sentence(capsys, [*out, "--data", tmp_path / "nothing.npz"])
    assert "digits must be a whole number, 10 to 50000" in sentence(capsys, [*out, "--data", data, "--digits", 5])
    bfloat = [*out, "--data", data, "--network", "sampled", "--precision", "bfloat16"]
    assert "only the network canonical" in sentence(capsys, bfloat)
    assert "holds no run to go on with" in sentence(capsys, [*out, "--resume"])
    for option, choices in (("group", "gl, sl, cso, so"), ("network", "canonical, sampled"), ("precision", "float32")):
        for word in ("o", "None", ""):
            told = sentence(capsys, [*out, "--data", data, f"--{option}", word])
            assert f"{option} must be one of {choices}" in told
            assert f"got {word!r}" in told
    assert not (tmp_path / "out").exists()


def test_a_run_goes_on_when_its_digits_have_moved(capsys, data, tmp_path, small, monkeypatch):
    out, file, other = tmp_path / "out", tmp_path / "mnist.npz", tmp_path / "elsewhere" / "digits.npz"
    file.write_bytes(data.read_bytes())
    monkeypatch.chdir(tmp_path)
    said(capsys, quick("mnist.npz", "out"), 0)
    before = json.loads((out / "results.json").read_text())
    assert before["settings"]["data"] == str(file)
    other.parent.mkdir()
    monkeypatch.chdir(other.parent)
    going_on = ["train", "affnist", "--output", out, "--resume"]
    said(capsys, going_on, 0)  # from another folder
    file.rename(other)
    told = sentence(capsys, going_on)
    assert f"begun with the digits {file}, which are not there; say with --data where they are now" in told
    said(capsys, [*going_on, "--data", "digits.npz"], 0)
    after = json.loads((out / "results.json").read_text())
    assert after["settings"] == before["settings"] | {"data": str(other)}
    assert after["test"]["laws"] == before["test"]["laws"]
    assert json.loads((out / "settings.json").read_text()) == after["settings"]
    said(capsys, going_on, 0)
    write_digits(other, 7)
    assert "the training data are not those" in sentence(capsys, going_on)
