"""The command line in this process: what is said, where, and with which exit code."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from geokit.cli import main as command
from geokit.cli.main import main
from geokit.cli.progress import clock
from geokit.splatting import TrainConfig
from tests.pipelines.synthetic import QUICK_OPTIONS, write_capture


def said(capsys, arguments, code):
    """Run the command and return (stdout, stderr)."""
    assert main([str(argument) for argument in arguments]) == code
    return capsys.readouterr()


def sentence(capsys, arguments, code=2):
    """The one line on stderr of a command that fails."""
    out, err = said(capsys, arguments, code)
    assert err.startswith("geokit: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert "Traceback" not in out + err
    return err


def edited(capture, change):
    """The capture with its transforms.json changed."""
    file = capture / "transforms.json"
    top = json.loads(file.read_text())
    change(top)
    file.write_text(json.dumps(top))
    return capture


def test_help_and_version(capsys):
    assert said(capsys, ["--version"], 0).out.startswith("geokit 0.")
    for arguments in ([], ["--help"], ["reconstruct", "--help"], ["doctor", "--help"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        assert "usage: geokit" in capsys.readouterr().out


def test_options_that_do_not_exist(capsys):
    for arguments in (["reconstruct"], ["fly"], ["info", "x", "--colour"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert "Traceback" not in capsys.readouterr().err


def test_the_help_tells_the_defaults_that_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["reconstruct", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    config = TrainConfig()
    names = [field.name for field in dataclasses.fields(command.VERBS["reconstruct"])]
    shown = [name for name in names if name in TrainConfig.__dataclass_fields__]
    assert len(shown) == 8
    for name in shown:
        value = getattr(config, name)
        described = " ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
        section = text.split(f" --{name.replace('_', '-')} ", 1)[1].split(" --", 1)[0]
        assert f"(default: {described})" in section, f"geokit/cli/reconstruct.py: {name} is {described} by default"


def test_reconstruct_tells_where_things_are(capsys, capture, tmp_path):
    out, err = said(capsys, ["reconstruct", capture, "--output", tmp_path / "out", *QUICK_OPTIONS], 0)
    assert err == ""
    assert "step 24/24" in out
    assert "PSNR" in out
    assert str(tmp_path / "out" / "splats.ply") in out
    again = sentence(capsys, ["reconstruct", capture, "--output", tmp_path / "out", *QUICK_OPTIONS])
    assert "already holds a run" in again
    out, _ = said(capsys, ["reconstruct", capture, "--output", tmp_path / "out", "--resume"], 0)
    assert "note: going on after step 24 of 24" in out
    out, _ = said(capsys, ["render", tmp_path / "out", "--cameras", "test", "--output", tmp_path / "r"], 0)
    assert "wrote 2 pictures" in out


def test_messages_of_the_capture_are_printed(capsys, tmp_path):
    capture = write_capture(tmp_path / "capture", 5)
    (capture / "images" / "02.png").unlink()
    out, _ = said(capsys, ["reconstruct", capture, "--output", tmp_path / "out", "--steps", "2"], 0)
    assert "note: 1 of 5 frames listed in transforms.json have no file (images/02.png)" in out


def no_frames(top):
    top["frames"] = []


def one_frame(top):
    top["frames"] = top["frames"][:1]


def same_poses(top):
    for frame in top["frames"]:
        frame["transform_matrix"] = top["frames"][0]["transform_matrix"]


def nan_pose(top):
    top["frames"][2]["transform_matrix"][0][3] = float("nan")


def outside(top):
    top["frames"][1]["file_path"] = "../../secret.png"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (no_frames, "lists no frames"),
        (one_frame, "gives 1 photograph with a pose"),
        (same_poses, "same pose"),
        (nan_pose, "NaN or infinite"),
        (outside, "leaves the capture folder"),
    ],
)
def test_bad_poses(capsys, tmp_path, change, expected):
    capture = edited(write_capture(tmp_path / "capture", 4), change)
    assert expected in sentence(capsys, ["reconstruct", capture, "--output", tmp_path / "out"])
    assert not (tmp_path / "out").exists()


def test_bad_photographs(capsys, tmp_path):
    capture, output = write_capture(tmp_path / "capture", 4), ["--output", tmp_path / "out"]
    image = capture / "images" / "01.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (36, 48, 3), np.uint8)).save(image)
    image.write_bytes(image.read_bytes()[:2000])
    assert "01.png is damaged or truncated" in sentence(capsys, ["reconstruct", capture, *output])
    image.write_bytes(b"hello")
    assert "01.png" in sentence(capsys, ["reconstruct", capture, *output])
    Image.new("RGB", (20, 20)).save(image)
    assert "20x20 pixels but its camera was calibrated for 48x36" in sentence(capsys, ["reconstruct", capture, *output])
    assert not (tmp_path / "out").exists()


def test_bad_captures(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("nothing", "empty"):
        assert name in sentence(capsys, ["reconstruct", tmp_path / name, "--output", tmp_path / "out"])
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    for name in ("cameras", "images", "points3D"):
        (tmp_path / "sparse" / "0" / f"{name}.bin").write_bytes(b"\x03\0\0\0\0\0\0\0\x01")
    sentence(capsys, ["reconstruct", tmp_path, "--output", tmp_path / "out"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--device", "cuda"], "--device cuda needs an NVIDIA GPU, but"),
        (["--sh-degree", "4"], "sh_degree must be 0 to 3"),
        (["--steps", "0"], "steps must be at least 1"),
        (["--downscale", "0.5"], "downscale must be"),
        (["--downscale", "40"], "leaves pictures of only"),
        (["--test-every", "1"], "test_every must be"),
        (["--test-images", "nobody"], "no photograph of the capture is called 'nobody'"),
        (["--background", "0", "0", "2"], "background must be"),
        (["--time-limit", "0"], "time_limit must be"),
        (["--seed", "100000000000000000000"], "seed must be 0 to 2^63 - 1"),
        (["--seed", "-1"], "seed must be 0 to 2^63 - 1"),
        (["--resume"], "no run to go on with"),
    ],
)
def test_bad_options(capsys, capture, tmp_path, options, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert expected in sentence(capsys, ["reconstruct", capture, "--output", tmp_path / "out", *options])
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(capsys, capture, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "is a file" in sentence(capsys, ["reconstruct", capture, "--output", tmp_path / "out"])
    assert "could not be written" in sentence(
        capsys, ["reconstruct", capture, "--output", tmp_path / "out" / "x", "--steps", "1"]
    )
    assert (tmp_path / "out").read_text() == "mine"


def test_bad_splat_files(capsys, run, tmp_path):
    content = (run / "splats.ply").read_bytes()
    (tmp_path / "lying.ply").write_bytes(content.replace(b"element vertex ", b"element vertex 9", 1))
    (tmp_path / "short.ply").write_bytes(content[:-100])
    for name in ("lying", "short"):
        for verb in (["info", tmp_path / f"{name}.ply"], ["convert", tmp_path / f"{name}.ply", tmp_path / "b.spz"]):
            assert f"{name}.ply" in sentence(capsys, verb)
    (tmp_path / "missing.ply").write_bytes(content.replace(b"property float opacity", b"property float opaque_", 1))
    assert "missing.ply" in sentence(capsys, ["convert", tmp_path / "missing.ply", tmp_path / "b.spz"])
    assert not (tmp_path / "b.spz").exists()


def test_debug_shows_the_traceback(capsys, tmp_path):
    _, err = said(capsys, ["info", tmp_path / "nothing", "--debug"], 2)
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("geokit: ")


def test_an_unexpected_error_hints_at_debug(capsys, monkeypatch, tmp_path):
    def fail(self):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(command.VERBS["doctor"], "run", fail)
    assert "RuntimeError: two); --debug shows where" in sentence(capsys, ["doctor"], code=1)


def test_other_exits(capsys, monkeypatch):
    for error, code, words in (
        (KeyboardInterrupt(), 130, "stopped"),
        (PermissionError(13, "Permission denied", "/x"), 2, "/x cannot be used (Permission denied)"),
        (MemoryError(), 2, "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 2, "not enough memory"),
        (BrokenPipeError(32, "Broken pipe"), 1, "mistake of geokit"),
    ):

        def fail(self, error=error):
            raise error

        monkeypatch.setattr(command.VERBS["doctor"], "run", fail)
        assert words in sentence(capsys, ["doctor"], code)


def test_info_convert_and_doctor(capsys, run, capture, tmp_path):
    out, err = said(capsys, ["info", run / "splats.ply"], 0)
    assert "opacity" in out
    assert "█" in out
    assert err == ""
    out, _ = said(capsys, ["info", capture], 0)
    assert "2: images/00.png, images/08.png" in out
    out, _ = said(capsys, ["info", run], 0)
    assert "psnr" in out
    assert json.loads(said(capsys, ["info", capture, "--json"], 0).out)["format"] == "nerfstudio"
    said(capsys, ["info", run / "checkpoint.safetensors"], 0)
    out, err = said(capsys, ["convert", run, tmp_path / "a.splat"], 0)
    assert "note: " in out
    assert err == ""
    assert "exists already" in sentence(capsys, ["convert", run, tmp_path / "a.splat"])
    out, _ = said(capsys, ["doctor"], 0)
    assert "GPU kernels" in out
    assert "as it should be" in out


def test_damaged_files_of_a_run(capsys, capture, run, tmp_path):
    shutil.copytree(run, tmp_path / "out")
    for content in ("{", "[]", '{"psnr": 3}', "[" * 100_000):
        (tmp_path / "out" / "metrics.json").write_text(content)
        assert "metrics.json is damaged" in sentence(capsys, ["info", tmp_path / "out"])
    config = (tmp_path / "out" / "config.yaml").read_text()
    for old, new in (
        ("downscale: 1", "downscale: abc"),
        ("test_every: 8", "test_every: [8]"),
        ("test_images: null", "test_images: 02"),
        ("time_limit: null", "time_limit: soon"),
        ("steps: 24", "steps: 24.5"),
        ("seed: 0", "seed: yes"),
        ("strategy: mcmc", "strategy: 1"),
        ("sh_rate: ", "sh_rate: .nan #"),
        ("background:", "background: 3\n  bg:"),
        ("capture: ", "capture: 2001-99-99 #"),
    ):
        assert old in config
        (tmp_path / "out" / "config.yaml").write_text(config.replace(old, new))
        arguments = ["reconstruct", capture, "--output", tmp_path / "out", "--resume"]
        assert "config.yaml is not the config.yaml of a run" in sentence(capsys, arguments)
        assert "config.yaml is not the config.yaml of a run" in sentence(capsys, ["info", tmp_path / "out"])


def test_resume_with_another_option(capsys, capture, run, tmp_path):
    shutil.copytree(run, tmp_path / "out")
    arguments = ["reconstruct", capture, "--output", tmp_path / "out", "--resume", "--sh-degree", "1"]
    assert "was begun with sh_degree = 2, which cannot become 1" in sentence(capsys, arguments)


def test_clock():
    assert [clock(s) for s in (0, 9.6, 61, 3725, float("inf"))] == ["0:00", "0:10", "1:01", "1:02:05", "-:--"]


def test_help_into_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m geokit.cli.main train affnist --help | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
