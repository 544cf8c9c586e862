"""Training while it is watched: an observer that shows the splats as they become, and can pause and stop the run."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from geokit.geometry import Splats
from geokit.io import Capture
from geokit.pipelines.observer import Observer, RunningTraining, Status

from .captures import capture_layers, trained
from .layers.layer import Layer
from .layers.splats import SplatsLayer
from .training_panel import TrainingPanel

if TYPE_CHECKING:
    from .viewer import Viewer

_SHOWN_EVERY = 1.0  # seconds, at least
_SHARE = 0.2  # of the time may go into showing; the rest is for training
_SCENE = "training"


class LiveTraining(Observer):
    """Shows a run of `geokit.pipelines.reconstruct` in a viewer.

    The training thread hands out a copy of the splats only when somebody looks and the last copy has been shown for a
    while; another thread shows it. Whatever goes wrong in here is warned about once, and training goes on unwatched.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.panel = TrainingPanel(viewer, self.pause, self.resume, self.stop)
        self.stopped = False  # by the button
        self._go = threading.Event()  # not paused
        self._go.set()
        self._run: RunningTraining | None = None
        self._layer: SplatsLayer | None = None
        self._before: list[Layer] = []  # what is shown until training begins
        self._locked: list[Layer] = []
        self._pending: tuple[Splats, Status] | None = None
        self._wake = threading.Condition()
        self._due, self._closed, self._broken = 0.0, False, False
        self._thread = threading.Thread(target=self._show, name="live training", daemon=True)
        self._thread.start()
        viewer.on_close(self.close)

    # What a user asks for, from any thread.

    @property
    def paused(self) -> bool:
        """Whether training waits."""
        return not self._go.is_set()

    def pause(self) -> None:
        """Hold the training up after the step that is being made."""
        self._go.clear()

    def resume(self) -> None:
        """Let it go on."""
        self._go.set()

    def stop(self) -> None:
        """Save everything and stop, as Ctrl+C does."""
        if self._run is not None:
            self.stopped = True
            self._run.stop()
            self._go.set()

    def close(self) -> None:
        """Show nothing more and hold nothing up."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._go.set()
        self._unlock()

    def end(self, sentence: str) -> None:
        """Training is over: say so, and show what came out. Called by who called the job."""

        def show() -> None:
            with self._wake:
                self._wake.wait_for(lambda: self._pending is None or self._closed, timeout=10)
            if self._run is not None and self._layer is not None:
                self._replace(self._run.splats.to("cpu"))  # to be measured, edited and saved
            self.panel.end(sentence)

        self._safely(show)
        self.close()

    # What the job tells, in its own thread.

    def message(self, text: str) -> None:
        """Show a note."""
        self._safely(lambda: self.panel.note(text))

    def phase(self, text: str) -> None:
        """Show what is being done."""
        self._safely(lambda: self.panel.say(f"{text} ..."))

    def count(self, text: str, done: int, total: int) -> None:
        """Show how much of it is done."""
        self._safely(lambda: self.panel.say(f"{text}: {done} of {total}", done / max(total, 1)))

    def opened(self, capture: Capture) -> None:
        """Show the cameras and the points that the capture brings."""

        def show() -> None:
            light = capture.at_most(max(max(size) for size in capture.cameras.sizes))  # without its pixels
            layers = capture_layers(light, capture.root.resolve().name)
            self._before = [layer for layer in layers if layer.kind == "points"]
            self.viewer.add(*layers)
            self._lock(*layers)

        self._safely(show)

    def begins(self, training: RunningTraining) -> None:
        """Show the first splats in place of the points."""
        self._run = training

        def show() -> None:
            layer = trained(SplatsLayer(_SCENE, training.splats), training.config)
            layer.rendered_by = "geokit"
            self._lock(layer)
            self.viewer.add(layer)
            for other in [one for one in self.viewer.layers.values() if one in self._before]:
                self.viewer.remove(other.name)
            self._layer = layer
            self.panel.begin()

        self._safely(show)

    def training(self, status: Status) -> None:
        """Hand out what is due, and wait while paused."""
        self._safely(lambda: self._step(status))
        if not self._go.is_set() and not self._broken:
            self._safely(lambda: self._hand_out(status, again=True))
            self._wait()
            self._safely(lambda: self.panel.paused(False))

    def _step(self, status: Status) -> None:
        self.panel.record(status)
        if time.monotonic() >= self._due and self._pending is None and self.viewer.server.get_clients():
            self._hand_out(status)

    def _hand_out(self, status: Status, again: bool = False) -> None:
        assert self._run is not None
        if self.viewer.server.get_clients() or again:
            splats = self._run.splats
            with self._wake:
                self._pending = splats, status
                self._wake.notify_all()

    def _wait(self) -> None:
        self._safely(lambda: self.panel.paused(True))
        # In short turns: Ctrl+C sets only a flag of the run.
        while not self._go.wait(0.1) and not (self._closed or self._broken or (self._run and self._run.stopping)):
            pass

    # The thread that shows.

    def _show(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._pending is not None)
                if self._closed:
                    return
                assert self._pending is not None
                shown = splats, status = self._pending
            began, drawn = time.monotonic(), self._rendering_seconds()
            self._safely(lambda splats=splats, status=status: self._update(splats, status))  # type: ignore[misc]
            with self._wake:
                self._wake.wait_for(lambda: self._closed, timeout=_SHOWN_EVERY / 2)  # the drawing comes after
                cost = max(time.monotonic() - began - _SHOWN_EVERY / 2, 0) + self._rendering_seconds() - drawn
                if self._pending is shown:
                    self._pending = None
            self._due = began + max(_SHOWN_EVERY, cost / _SHARE)

    def _update(self, splats: Splats, status: Status) -> None:
        self._replace(splats)
        self.panel.update(status)

    def _replace(self, splats: Splats) -> None:
        assert self._layer is not None
        with self.viewer.lock:
            if self._layer.name not in self.viewer.layers:  # a user took it away
                return
            self._layer.replace(splats)
        self.viewer.changed()

    def _lock(self, *layers: Layer) -> None:
        """Training goes on from what it has, whatever is edited here."""
        for layer in layers:
            layer.locked = "it is in training; wait until that has ended, or stop it"
        self._locked += layers

    def _unlock(self) -> None:
        for layer in self._locked:
            layer.locked = ""

    def _rendering_seconds(self) -> float:
        """What the streaming of pictures has cost so far."""
        loop = self.viewer.parts.get("RenderLoop")
        return sum(loop.seconds.values()) if loop is not None else 0.0

    def _safely(self, action: Callable[[], Any]) -> None:
        if self._broken or self._closed:
            return
        try:
            action()
        except Exception as error:  # of the viewer, which must not cost a run
            self._broken = True
            self._go.set()
            self._unlock()
            warnings.warn(
                f"the viewer cannot follow the training any more ({type(error).__name__}: {error}); training goes on",
                stacklevel=2,
            )
