"""What the jobs say and do about the device: one that Python runs ahead of, and a GPU without memory."""

import json
import time
from dataclasses import replace

import pytest
import torch

from geokit.backend import gpu
from geokit.errors import InvalidInput, OutOfMemory
from geokit.io import load_checkpoint, load_splats
from geokit.pipelines import gpu_memory, training
from geokit.pipelines.reconstruct import reconstruct
from geokit.pipelines.render import render_scene
from geokit.pipelines.surface import make_surface
from geokit.splatting import Trainer, densify, photographs, trainer, waves
from tests.pipelines.synthetic import QUICK
from tests.pipelines.test_reconstruct import Recorder, curve


@pytest.fixture
def ahead(monkeypatch):
    """The CPU is taken for a device that Python runs ahead of."""
    for module in (trainer, densify, photographs, waves, training):
        monkeypatch.setattr(module, "runs_ahead", lambda device: True)


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_the_books_of_a_run_that_is_not_waited_for(ahead, capture, tmp_path, monkeypatch, seconds):
    """However seldom the steps are read, every loss is in the curve and in the running mean."""
    real, steps = Trainer.step, []
    monkeypatch.setattr(Trainer, "step", lambda self, progress: steps.append(real(self, progress)) or steps[-1])
    monkeypatch.setattr(training, "_READ_EVERY", seconds)
    monkeypatch.setattr(training, "_LINES", 6)  # one in four steps
    monkeypatch.setattr(training, "_CHECKPOINTS", 1)  # for which steps would be read too
    listener = Recorder()
    metrics = reconstruct(capture, tmp_path / "out", **QUICK, observer=listener)
    lines = curve(tmp_path / "out")
    assert [line["step"] for line in lines if line["step"] % 4 == 0] == [4, 8, 12, 16, 20, 24]
    weights = [line["step"] - before for line, before in zip(lines, [0, *(line["step"] for line in lines)])]
    assert sum(line["loss"] * w for line, w in zip(lines, weights)) == pytest.approx(sum(step.loss for step in steps))
    mean = steps[0].loss
    for step in steps:
        mean = 0.95 * mean + 0.05 * step.loss
    assert listener.statuses[-1].loss == pytest.approx(mean)
    assert listener.statuses[-1].psnr == steps[-1].psnr
    assert len({status.psnr for status in listener.statuses}) == (24 if seconds == 0 else len(lines) + 1)
    assert metrics["steps"] == 24


class Late:
    """A loss that takes so long to be read as a GPU takes for the step."""

    def __init__(self, loss):
        self.loss = loss

    def __float__(self):
        time.sleep(0.02)
        return float(self.loss)


@pytest.mark.parametrize("lines", [1, 6])
def test_the_time_that_a_device_is_waited_for_counts(ahead, capture, tmp_path, monkeypatch, lines):
    """Wherever it is waited for: for a line of the curve, a checkpoint or at the end."""
    real = Trainer.step

    def step(self, progress):
        made = real(self, progress)
        return replace(made, measured=(Late(made.measured[0]), made.measured[1]))

    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(training, "_READ_EVERY", 1000.0)
    monkeypatch.setattr(training, "_LINES", lines)
    monkeypatch.setattr(training, "_EVALUATIONS", 1)
    metrics = reconstruct(capture, tmp_path / "out", **QUICK)
    assert metrics["seconds"] > 24 * 0.02
    _, saved = load_checkpoint(tmp_path / "out" / "checkpoint.safetensors")
    assert saved["seconds"] > 24 * 0.02
    if lines == 6:
        times = {line["step"]: line["seconds"] for line in curve(tmp_path / "out")}
        assert all(seconds > step * 0.02 for step, seconds in times.items())


def test_a_time_limit_misses_nothing_while_a_device_is_waited_for(ahead, capture, tmp_path, monkeypatch):
    """Time that is counted as a line is written may pass the next one, or the end."""
    real = Trainer.step

    def step(self, progress):
        made = real(self, progress)
        return replace(made, measured=(Late(made.measured[0]), made.measured[1]))

    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(training, "_READ_EVERY", 1000.0)
    metrics = reconstruct(capture, tmp_path / "out", **QUICK | {"steps": 10_000}, time_limit=0.5)
    lines = curve(tmp_path / "out")
    assert lines[-1]["step"] == metrics["steps"], "the last step has a line"
    assert "test_psnr" in lines[-1]
    assert metrics["steps"] * 0.02 < metrics["seconds"]


def test_a_gpu_that_is_left_to_others_is_said(capture, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "obstacle", lambda index: "the driver is old")
    listener = Recorder()
    reconstruct(capture, tmp_path / "out", **QUICK | {"steps": 2}, observer=listener)
    assert "computing on the CPU, since the driver is old" in listener.messages
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["device"] == "cpu"


@pytest.fixture
def small_gpu(monkeypatch):
    """Where memory is explained, the device is taken for a GPU of 8 GiB."""
    real = gpu_memory.memory_explained
    monkeypatch.setattr(gpu_memory, "gib", lambda device: "8.0 GiB, 0.1 of it free now")
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(training, "memory_explained", lambda device, words: real(torch.device("cuda"), words))


def fails_at(step, monkeypatch, error):
    real = Trainer.step

    def failing(self, progress):
        if self.step_number == step:
            raise error
        return real(self, progress)

    monkeypatch.setattr(Trainer, "step", failing)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), OutOfMemory("rasterize needs more")])
def test_a_gpu_without_memory_is_one_sentence_and_costs_no_checkpoint(
    small_gpu, capture, run, tmp_path, monkeypatch, error
):
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        fails_at(0, patch, error)
        with pytest.raises(OutOfMemory, match=r"too little memory \(8.0 GiB, 0.1 of it free now\) to train 60 splats "):
            reconstruct(capture, output, **QUICK)
    assert not (output / "checkpoint.safetensors").exists()
    with monkeypatch.context() as patch:
        fails_at(16, patch, error)
        words = r"48x36; .*--max-splats.*--downscale.*from step 15: .*--resume --device cpu"
        with pytest.raises(OutOfMemory, match=words):
            reconstruct(capture, output, **QUICK, overwrite=True)
    reconstruct(capture, output, resume=True, device="cpu")
    assert (output / "splats.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_memory_of_the_cpu_is_not_the_gpus():
    with pytest.raises(torch.OutOfMemoryError), gpu_memory.memory_explained(torch.device("cpu"), lambda: ""):
        raise torch.OutOfMemoryError("out of memory")


def test_what_renders_takes_the_device(run, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    written = render_scene(run, "test", tmp_path / "pictures", device="cpu")
    assert len(written) == 2
    for job in (lambda: render_scene(run, "test", tmp_path / "more", device="cuda"),
                lambda: make_surface(run, tmp_path / "mesh.ply", device="cuda")):  # fmt: skip
        with pytest.raises(InvalidInput, match="needs an NVIDIA GPU"):
            job()
    assert len(load_splats(run / "splats.ply"))
