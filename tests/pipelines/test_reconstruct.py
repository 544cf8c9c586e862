"""Captures to scenes, end to end."""

import json
import shutil
import signal

import pytest
import torch
import yaml
from PIL import Image

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.io import load_checkpoint, load_splats
from geokit.pipelines import reconstruct as module
from geokit.pipelines.interrupt import Interrupted
from geokit.pipelines.observer import Observer
from geokit.pipelines.reconstruct import reconstruct
from tests.pipelines.synthetic import HEIGHT, QUICK, WIDTH, write_capture


class Recorder(Observer):
    def __init__(self):
        self.messages, self.statuses = [], []

    def message(self, text):
        self.messages.append(text)

    def training(self, status):
        self.statuses.append(status)


class StopAt(Recorder):
    """Presses Ctrl-C when a step is done."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def training(self, status):
        if status.step == self.step:
            signal.raise_signal(signal.SIGINT)


def stopped(capture, output, step, **options):
    with pytest.raises(Interrupted, match=rf"stopped at step {step} of .*--resume"):
        reconstruct(capture, output, **options, observer=StopAt(step))


def curve(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_folder_holds_what_is_promised(run):
    splats = load_splats(run / "splats.ply")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["steps"] == QUICK["steps"]
    assert metrics["splats"] == len(splats)
    assert metrics["parameters"] == splats.parameters
    assert [view["image"] for view in metrics["views"]] == ["images/00.png", "images/08.png"]
    for figure in ("psnr", "ssim"):
        assert metrics[figure] == pytest.approx(sum(view[figure] for view in metrics["views"]) / 2)
    assert 0 < metrics["cpu_seconds"] < 60
    assert 0 < metrics["seconds"] < 60
    assert metrics["peak_memory_bytes"] > 10e6
    assert set(metrics["versions"]) == {"geokit", "torch", "python", "native"}
    assert metrics["seed"] == 0
    assert metrics["device"] in ("cpu", "cuda")
    assert (metrics["peak_gpu_memory_bytes"] > 0) == (metrics["gpu"] is not None) == (metrics["device"] == "cuda")
    assert sorted(file.name for file in (run / "views").iterdir()) == ["00.png", "08.png"]
    with Image.open(run / "views" / "00.png") as picture:
        assert picture.size == (3 * WIDTH + 8, HEIGHT)
    with Image.open(run / "turntable.gif") as movie:
        assert (movie.n_frames, movie.size) == (48, (WIDTH, HEIGHT))
    assert load_checkpoint(run / "checkpoint.safetensors")[1]["step"] == QUICK["steps"]
    assert yaml.safe_load((run / "config.yaml").read_text())["train"]["steps"] == QUICK["steps"]
    assert not list(run.rglob("*.part"))


def test_training_makes_the_held_out_views_better(run):
    evaluated = [line["test_psnr"] for line in curve(run) if "test_psnr" in line]
    assert len(evaluated) == 8
    assert evaluated[-1] > evaluated[0] + 1
    assert evaluated[-1] == pytest.approx(json.loads((run / "metrics.json").read_text())["psnr"])


def test_the_curve_has_one_line_a_step_of_a_short_run(run):
    lines = curve(run)
    assert [line["step"] for line in lines] == list(range(1, QUICK["steps"] + 1))
    for line in lines:
        assert set(line) - {"test_psnr"} == {"step", "loss", "splats", "seconds", "cpu_seconds"}
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)


def test_the_same_seed_gives_the_same_bytes(capture, run, tmp_path):
    reconstruct(capture, tmp_path / "again", **QUICK)
    reconstruct(capture, tmp_path / "other", **QUICK, seed=1)
    first = (run / "splats.ply").read_bytes()
    assert (tmp_path / "again" / "splats.ply").read_bytes() == first
    assert (tmp_path / "again" / "turntable.gif").read_bytes() == (run / "turntable.gif").read_bytes()
    assert (tmp_path / "other" / "splats.ply").read_bytes() != first


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strategy": "classic"},
        {"primitive": "gabor", "waves": 1, "antialiased": True, "background": (0.2, 0.4, 0.6)},
    ],
    ids=["gaussian", "classic", "gabor"],
)
def test_an_interrupted_run_ends_with_the_same_bytes(capture, tmp_path, options):
    options = QUICK | {"steps": 60} | options  # enough for splats to be added twice
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = reconstruct(capture, whole, **options)
    stopped(capture, parts, 20, **options)
    assert len(load_splats(parts / "splats.ply")) == 60
    stopped(capture, parts, 41, resume=True)
    listener = Recorder()
    got = reconstruct(capture, parts, resume=True, observer=listener)
    assert listener.messages == ["going on after step 41 of 60"]
    assert listener.statuses[0].step == 42
    assert (parts / "splats.ply").read_bytes() == (whole / "splats.ply").read_bytes()
    assert (parts / "config.yaml").read_bytes() == (whole / "config.yaml").read_bytes()
    assert got["splats"] != 60
    assert got["views"] == expected["views"]
    assert [line["step"] for line in curve(parts)] == [line["step"] for line in curve(whole)]


def test_resume_after_a_kill_drops_the_lines_after_the_checkpoint(capture, run, tmp_path):
    stopped(capture, tmp_path / "out", 10, **QUICK)
    with open(tmp_path / "out" / "metrics.jsonl", "a") as file:
        file.write('{"step": 11, "loss": 9}\n{"step": 12, "lo')
    reconstruct(capture, tmp_path / "out", resume=True)
    assert [line["step"] for line in curve(tmp_path / "out")] == list(range(1, 25))
    assert (tmp_path / "out" / "splats.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_resume_before_the_first_checkpoint_begins_at_the_beginning(capture, run, tmp_path):
    stopped(capture, tmp_path / "out", 2, **QUICK)
    (tmp_path / "out" / "checkpoint.safetensors").unlink()
    listener = Recorder()
    reconstruct(capture, tmp_path / "out", resume=True, observer=listener)
    assert "no checkpoint yet" in listener.messages[0]
    assert (tmp_path / "out" / "splats.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_resume_of_a_finished_run_makes_its_pictures_again(capture, run, tmp_path):
    shutil.copytree(run, tmp_path / "out")
    (tmp_path / "out" / "turntable.gif").unlink()
    listener = Recorder()
    metrics = reconstruct(capture, tmp_path / "out", resume=True, observer=listener)
    assert "the run is finished" in listener.messages[0]
    assert not listener.statuses
    assert metrics["seconds"] == json.loads((run / "metrics.json").read_text())["seconds"]
    assert (tmp_path / "out" / "turntable.gif").read_bytes() == (run / "turntable.gif").read_bytes()


@pytest.mark.parametrize(
    ("given", "named"),
    [({"steps": 99}, "steps = 24"), ({"seed": 3}, "seed = 0"), ({"downscale": 2}, "downscale = 1"),
     ({"test_images": ["01"]}, "test_images = None")],
)  # fmt: skip
def test_resume_refuses_other_options(capture, run, given, named):
    with pytest.raises(InvalidInput, match=f"begun with {named}.*--overwrite"):
        reconstruct(capture, run, resume=True, **given)


def test_resume_with_options_that_do_not_exist_or_are_the_same(capture, run, tmp_path):
    with pytest.raises(InvalidInput, match="no option 'stepps'"):
        reconstruct(capture, run, resume=True, stepps=3)
    stopped(capture, tmp_path / "out", 3, **QUICK, background=[0.5, 0.25, 0.0])
    for step, background in ((5, [0.5, 0.25, 0.0]), (6, (0.5, 0.25, 0.0))):
        stopped(capture, tmp_path / "out", step, resume=True, background=background)


def test_resume_refuses_another_capture(run, tmp_path):
    with pytest.raises(InvalidInput, match="was made from"):
        reconstruct(write_capture(tmp_path / "another", 3), run, resume=True)


def test_resume_refuses_photographs_that_changed(tmp_path):
    capture = write_capture(tmp_path / "capture", 5)
    stopped(capture, tmp_path / "out", 3, **QUICK)
    (capture / "images" / "02.png").unlink()
    with pytest.raises(InvalidInput, match=r"not those that .*checkpoint.safetensors was made from"):
        reconstruct(capture, tmp_path / "out", resume=True)


def repaint(capture):
    with Image.open(capture / "images" / "02.png") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(capture / "images" / "02.png")


def move(capture):
    top = json.loads((capture / "transforms.json").read_text())
    top["frames"][3]["transform_matrix"][0][3] += 0.01
    (capture / "transforms.json").write_text(json.dumps(top))


def zoom(capture):
    top = json.loads((capture / "transforms.json").read_text())
    (capture / "transforms.json").write_text(json.dumps(top | {"fl_x": 51}))


@pytest.mark.parametrize("change", [repaint, move, zoom])
def test_resume_refuses_a_capture_whose_content_changed(tmp_path, change):
    capture = write_capture(tmp_path / "capture", 5)
    stopped(capture, tmp_path / "out", 3, **QUICK)
    stopped(capture, tmp_path / "out", 5, resume=True)
    change(capture)
    with pytest.raises(InvalidInput, match=r"photographs or poses of .* have changed since .* was made"):
        reconstruct(capture, tmp_path / "out", resume=True)


@pytest.mark.parametrize("content", ["", "train: 3", "capture: [", "capture: x\ntrain: {stepps: 4}\ntest_images: null"])
def test_resume_refuses_a_foreign_config(capture, tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UnreadableFile, match=r"config.yaml is not the config.yaml of a run"):
        reconstruct(capture, tmp_path, resume=True)


def test_resume_refuses_a_damaged_checkpoint(capture, run, tmp_path):
    shutil.copytree(run, tmp_path / "out")
    file = tmp_path / "out" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UnreadableFile, match=r"checkpoint.safetensors is not a readable checkpoint"):
        reconstruct(capture, tmp_path / "out", resume=True)


def test_resume_refuses_a_foreign_checkpoint(capture, run, tmp_path):
    from geokit.io import save_checkpoint

    shutil.copytree(run, tmp_path / "out")
    save_checkpoint(tmp_path / "out" / "checkpoint.safetensors", {"means": torch.zeros(2, 3)}, {})
    with pytest.raises(UnreadableFile, match="not a checkpoint of a reconstruction"):
        reconstruct(capture, tmp_path / "out", resume=True)


def test_a_folder_with_a_run_is_kept_unless_asked(capture, run, tmp_path):
    shutil.copytree(run, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "views" / "old.png").write_bytes(b"")
    before = (tmp_path / "out" / "splats.ply").read_bytes()
    with pytest.raises(InvalidInput, match="already holds a run"):
        reconstruct(capture, tmp_path / "out", **QUICK)
    assert (tmp_path / "out" / "splats.ply").read_bytes() == before
    reconstruct(capture, tmp_path / "out", **QUICK | {"seed": 5}, overwrite=True)
    assert (tmp_path / "out" / "splats.ply").read_bytes() != before
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "out" / "views" / "old.png").exists()


def test_overwrite_keeps_the_old_run_when_the_capture_is_bad(run, tmp_path):
    shutil.copytree(run, tmp_path / "out")
    with pytest.raises(UnreadableFile):
        reconstruct(tmp_path / "nothing", tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "splats.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_without_test_views_there_are_no_figures(capture, tmp_path):
    listener = Recorder()
    metrics = reconstruct(capture, tmp_path / "out", **QUICK, test_every=0, observer=listener)
    assert metrics["psnr"] is None
    assert metrics["ssim"] is None
    assert metrics["views"] == []
    assert "no test views" in listener.messages[0]
    assert not any("test_psnr" in line for line in curve(tmp_path / "out"))


def test_named_test_images_and_downscale(capture, tmp_path):
    options = QUICK | {"steps": 3}
    metrics = reconstruct(capture, tmp_path / "out", **options, test_images=["03", "images/05.png"], downscale=2)
    assert [view["image"] for view in metrics["views"]] == ["images/03.png", "images/05.png"]
    with Image.open(tmp_path / "out" / "views" / "03.png") as picture:
        assert picture.size == (3 * WIDTH // 2 + 8, HEIGHT // 2)


def test_a_time_limit_ends_the_run(capture, tmp_path):
    options = QUICK | {"steps": 1_000_000}
    listener = Recorder()
    metrics = reconstruct(capture, tmp_path / "out", **options, time_limit=0.3, observer=listener)
    assert 0.3 <= metrics["seconds"] < 3
    assert 0 < metrics["steps"] < 1_000_000
    assert listener.statuses[-1].progress == 1
    assert "test_psnr" in curve(tmp_path / "out")[-1]
    progress = [status.progress for status in listener.statuses]
    assert progress == sorted(progress)
    more = reconstruct(capture, tmp_path / "out", resume=True, time_limit=0.5)
    assert more["steps"] > metrics["steps"]


def test_transparent_photographs_bring_their_background(tmp_path):
    capture = write_capture(tmp_path / "capture", 4)
    for file in (capture / "images").iterdir():
        with Image.open(file) as picture:
            picture.putalpha(128)
            picture.save(file)
    options = QUICK | {"steps": 2}
    reconstruct(capture, tmp_path / "white", **options)
    reconstruct(capture, tmp_path / "black", **options, background=(0.0, 0.0, 0.0))
    for name, value in (("white", 1.0), ("black", 0.0)):
        assert yaml.safe_load((tmp_path / name / "config.yaml").read_text())["train"]["background"] == [value] * 3


def test_options_that_do_not_exist_or_cannot_be(capture, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for options in ({"stepps": 3}, {"sh_degree": 7}, {"time_limit": -1.0}, {"device": "cuda"}, {"device": "tpu"}):
        with pytest.raises(InvalidInput):
            reconstruct(capture, tmp_path / "out", **options)
    with pytest.raises(InvalidInput, match="contradict"):
        reconstruct(capture, tmp_path / "out", resume=True, overwrite=True)
    with pytest.raises(InvalidInput, match="no run to go on with"):
        reconstruct(capture, tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_keeps_what_was_there(capture, run, tmp_path, monkeypatch):
    """Files may not grow beyond a few kilobytes: the checkpoint cannot be written, the older one stays."""
    import resource

    stopped(capture, tmp_path / "out", 10, **QUICK)
    before = (tmp_path / "out" / "checkpoint.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, limits[1]))
    try:
        with pytest.raises(GeokitError, match=r"checkpoint.safetensors could not be written .*free some space"):
            reconstruct(capture, tmp_path / "out", resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "out" / "checkpoint.safetensors").read_bytes() == before
    reconstruct(capture, tmp_path / "out", resume=True)
    assert (tmp_path / "out" / "splats.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_ctrl_c_while_the_pictures_are_made_is_no_loss(capture, run, tmp_path, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_save_turntable", press)
        with pytest.raises(Interrupted, match="stopped at step 24 of 24"):
            reconstruct(capture, tmp_path / "out", **QUICK)
    reconstruct(capture, tmp_path / "out", resume=True)
    assert (tmp_path / "out" / "turntable.gif").read_bytes() == (run / "turntable.gif").read_bytes()


@pytest.fixture
def usual_ctrl_c():
    """A job in the background of a shell starts with SIGINT ignored, in which case a second press would do nothing."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_the_end_is_saved_names_resume(capture, run, tmp_path, monkeypatch, usual_ctrl_c):
    """Once it is a request that is granted after the save, twice it breaks the save off; no step is lost to either."""
    from geokit.pipelines import training

    real = training.save_checkpoint
    for presses, words in ((1, "all is saved, go on with: .*--resume"), (2, r"of 24; go on with: .*--resume")):

        def press(path, tensors, metadata, presses=presses):
            if metadata["step"] == QUICK["steps"]:
                for _ in range(presses):
                    signal.raise_signal(signal.SIGINT)
            real(path, tensors, metadata)

        folder = tmp_path / str(presses)
        with monkeypatch.context() as patch:
            patch.setattr(training, "save_checkpoint", press)
            with pytest.raises(Interrupted, match=words):
                reconstruct(capture, folder, **QUICK)
        reconstruct(capture, folder, resume=True)
        assert (folder / "splats.ply").read_bytes() == (run / "splats.ply").read_bytes()


def test_the_psnr_shown_is_that_of_the_last_view(capture, tmp_path, monkeypatch):
    from geokit.splatting import Trainer

    real, seen = Trainer.step, []

    def step(self, progress):
        seen.append(real(self, progress))
        return seen[-1]

    monkeypatch.setattr(Trainer, "step", step)
    listener = Recorder()
    reconstruct(capture, tmp_path / "out", **QUICK, observer=listener)
    assert [status.psnr for status in listener.statuses] == [one.psnr for one in seen]
