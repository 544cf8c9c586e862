"""Training while it is watched: the picture follows, pause holds it up, stop saves, and the run stays what it is."""

import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.live import LiveTraining

from geokit.cli.main import main
from geokit.errors import InvalidInput
from geokit.io import load_splats
from geokit.pipelines.interrupt import Interrupted
from geokit.pipelines.observer import Observer, Observers, Status
from geokit.pipelines.reconstruct import reconstruct
from geokit.pipelines.run_folder import RunFolder
from tests.pipelines.synthetic import QUICK, QUICK_OPTIONS, write_capture
from tests.viewer.browser import picture, started, until

LONG = {**QUICK, "steps": 50_000}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Path:
    return write_capture(tmp_path_factory.mktemp("capture") / "ring")


@pytest.fixture
def viewer():
    with Viewer(port=0) as made:
        yield made


@pytest.fixture
def live(viewer) -> LiveTraining:
    return LiveTraining(viewer)


class At(Observer):
    """Does something after a step, and remembers how far training came."""

    def __init__(self, step: int, action) -> None:
        self.step, self.action, self.reached = step, action, 0

    def training(self, status: Status) -> None:
        self.reached = status.step
        if status.step == self.step:
            self.action()


def watched(viewer: Viewer) -> None:
    """As if a browser were there."""
    someone = SimpleNamespace(add_notification=lambda *_, **__: None, atomic=nullcontext, camera=SimpleNamespace())
    viewer.server.get_clients = lambda: {0: someone}


def scene_of(viewer: Viewer) -> SplatsLayer:
    (layer,) = [layer for layer in viewer.layers.values() if isinstance(layer, SplatsLayer)]
    return layer


class InThread:
    """A long run in a thread of its own."""

    def __init__(self, capture: Path, output: Path, observer: Observer, **options: object) -> None:
        self.error: BaseException | None = None

        def run() -> None:
            try:
                reconstruct(capture, output, observer=observer, **{**LONG, **options})
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()


def test_a_run_that_is_watched_is_the_run_that_is_not(viewer, live, capture, tmp_path):
    reconstruct(capture, tmp_path / "alone", **QUICK)
    watched(viewer)
    reconstruct(capture, tmp_path / "watched", observer=Observers(live, Observer()), **QUICK)
    assert RunFolder(tmp_path / "watched").splats.read_bytes() == RunFolder(tmp_path / "alone").splats.read_bytes()
    live.end("over")
    assert [layer.kind for layer in viewer.layers.values()] == ["cameras", "splats"]
    assert torch.equal(scene_of(viewer).shape.means, load_splats(RunFolder(tmp_path / "watched").splats).means)
    assert live.panel.line.content == "over"
    assert not live.panel.pause.visible


def test_splats_are_copied_only_for_somebody_and_not_at_every_step(viewer, live, capture, tmp_path, monkeypatch):
    from geokit.pipelines.training import Training

    copies = []
    copy = Training.splats.fget
    monkeypatch.setattr(Training, "splats", property(lambda self: copies.append(1) or copy(self)))
    reconstruct(capture, tmp_path / "out", observer=live, **QUICK)
    assert len(copies) == 1  # the first ones, which are shown to whoever comes
    watched(viewer)
    monkeypatch.setattr("geokit.viewer.live._SHOWN_EVERY", 0.2)
    again, far = LiveTraining(viewer), At(0, None)
    run = InThread(capture, tmp_path / "long", Observers(again, far))
    until(lambda: len(copies) >= 6, "the picture did not follow")
    again.stop()
    run.thread.join(60)
    assert far.reached > 5 * len(copies)


def test_pause_holds_the_run_up_on_nobodys_clock_and_resume_lets_it_go(viewer, live, capture, tmp_path):
    pausing = At(5, lambda: live.pause())
    output = tmp_path / "out"
    run = InThread(capture, output, Observers(pausing, live), steps=24)
    until(lambda: live.panel.pause.label == "Resume", "training did not pause")
    time.sleep(1.0)
    assert pausing.reached == 5
    assert live.panel.line.content.startswith("**Step 5 of 24**, paused")
    layer = viewer.layers["training"]
    with pytest.raises(InvalidInput, match="training cannot be changed now: it is in training"):
        viewer.edit({layer: layer.kept(layer.elements()[:, 2] > 0)}, "kept the top")
    assert all(layer.locked for layer in viewer.layers.values())  # a turn would part the cameras from the splats
    live.resume()
    run.thread.join(60)
    assert run.error is None
    assert RunFolder(output).load_metrics()["seconds"] < 1.0
    assert live.panel.pause.label == "Pause"
    assert [step for step, _, _ in live.panel._curve] == list(range(1, 25))
    live.end("over")
    assert not any(layer.locked for layer in viewer.layers.values())


def test_stop_saves_everything_and_the_run_goes_on_later(viewer, live, capture, tmp_path):
    output = tmp_path / "out"
    run = InThread(capture, output, Observers(live, At(5, live.stop)), steps=24)
    run.thread.join(60)
    assert isinstance(run.error, Interrupted)
    assert "stopped at step 5 of 24; all is saved" in str(run.error)
    reconstruct(capture, tmp_path / "alone", **QUICK)
    reconstruct(capture, output, resume=True)
    assert RunFolder(output).splats.read_bytes() == RunFolder(tmp_path / "alone").splats.read_bytes()


def test_ctrl_c_works_while_paused(viewer, live, capture, tmp_path):
    interrupt = threading.Thread(
        target=lambda: (
            until(lambda: live.panel.pause.label == "Resume", "no pause") and os.kill(os.getpid(), signal.SIGINT)
        )
    )
    interrupt.start()
    with pytest.raises(Interrupted, match="stopped at step 3"):
        reconstruct(capture, tmp_path / "out", observer=Observers(At(3, live.pause), live), **QUICK)
    interrupt.join()


def test_a_viewer_that_fails_costs_no_run(viewer, live, capture, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr(live.panel, "record", fail)
    with pytest.warns(UserWarning, match=r"cannot follow the training any more \(RuntimeError: no more\)"):
        reconstruct(capture, tmp_path / "out", observer=live, **QUICK)
    assert RunFolder(tmp_path / "out").metrics.is_file()


def test_a_viewer_that_is_closed_lets_a_paused_run_go(viewer, live, capture, tmp_path):
    run = InThread(capture, tmp_path / "out", Observers(At(5, live.pause), live), steps=24)
    until(lambda: live.panel.pause.label == "Resume", "training did not pause")
    viewer.close()
    run.thread.join(60)
    assert run.error is None


def test_the_port_is_that_of_the_viewer(capsys, tmp_path):
    assert main(["reconstruct", "x", "--output", str(tmp_path / "out"), "--port", "8080"]) == 2
    assert "--port is the port of --view" in capsys.readouterr().err


def test_the_command_trains_stays_and_ends_by_ctrl_c(capture, tmp_path):
    output = tmp_path / "out"
    command = [sys.executable, "-m", "geokit.cli.main", "reconstruct", str(capture), "--output", str(output)]
    command += ["--view", "--port", "0", *QUICK_OPTIONS]
    environment = {**os.environ, "SSH_CONNECTION": "1 2 3 4"}  # no browser is to be opened
    process = started(command, env=environment)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "the viewer stays" in line:
            break
    assert lines[0].startswith("watch it train at http://127.0.0.1:")
    assert RunFolder(output).metrics.is_file()
    assert any("PSNR" in line for line in lines)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_browser_sees_it_train_pause_and_stop(viewer, capture, tmp_path, opened, monkeypatch):
    monkeypatch.setattr("geokit.viewer.live._SHOWN_EVERY", 0.5)
    live = LiveTraining(viewer)
    live.pause()  # a scene so small is trained before a browser has started
    output = tmp_path / "out"
    run = InThread(capture, output, live, steps=400_000, time_limit=300.0)
    until(lambda: live.panel.pause.label == "Resume", "training did not pause")
    with opened(viewer, 480, 700) as (page, client):
        layer = scene_of(viewer)
        with viewer.lock:
            for other in viewer.layers.values():
                if other is not layer:
                    other.set_visible(False)
            layer.rendered_by = "browser"
            layer.redraw()
        viewer.look(client, viewer.home_camera())
        first = picture(client, 320, 240, 2)
        page.get_by_role("button", name="Resume").click()
        until(lambda: np.abs(picture(client, 320, 240, 1) - first).mean() > 0.01, "the picture does not follow")
        page.get_by_role("button", name="Pause").click()
        until(lambda: live.panel.pause.label == "Resume", "training did not pause")
        time.sleep(1.5)
        shown = layer.shape
        held = picture(client, 320, 240, 2)
        time.sleep(1.5)
        assert layer.shape is shown
        assert np.abs(picture(client, 320, 240, 1) - held).max() < 0.02
        page.get_by_role("button", name="Stop and save").click()
        run.thread.join(60)
    assert isinstance(run.error, Interrupted)
    assert RunFolder(output).splats.is_file()
