"""What the panel says about a training run: a line, a bar, a curve, and the buttons to pause and to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from geokit.pipelines.observer import Status
from geokit.pipelines.pace import Speed, clock

from .words import plain

if TYPE_CHECKING:
    from .viewer import Viewer

_POINTS = 200  # of the curve, at most
_KEPT = 0.95  # weight of the past in the running mean of the PSNR; the loss comes as such a mean
_BLUE, _ORANGE = "#3468b0", "#d9822b"
_HEIGHT = 170  # pixels of the curve


class TrainingPanel:
    """The folder "Training" of the tab Scene. pause, resume, stop: what its buttons do."""

    def __init__(
        self, viewer: Viewer, pause: Callable[[], None], resume: Callable[[], None], stop: Callable[[], None]
    ) -> None:
        from viser import uplot

        self._speed = Speed()
        self._psnr: float | None = None
        self._curve: list[tuple[float, float, float]] = []
        self._part = -1
        gui = viewer.server.gui
        with viewer.tab("Scene"), gui.add_folder("Training", order=-1.0):
            self.line = gui.add_markdown("")
            self.bar: Any = gui.add_progress_bar(0.0)
            self.plot = gui.add_uplot(
                _columns([]),
                (
                    uplot.Series(label="step"),
                    uplot.Series(label="PSNR (dB)", stroke=_BLUE, width=2, scale="PSNR"),
                    uplot.Series(label="loss", stroke=_ORANGE, width=2, scale="loss"),
                ),
                scales={"x": uplot.Scale(time=False)},
                axes=(
                    uplot.Axis(),
                    uplot.Axis(scale="PSNR", stroke=_BLUE),
                    uplot.Axis(scale="loss", stroke=_ORANGE, side=1, grid={"show": False}),
                ),
                height=_HEIGHT,
                visible=False,
            )
            self.pause = gui.add_button("Pause", visible=False)
            self.stop = gui.add_button("Stop and save", color="gray", visible=False)
            self.notes = gui.add_markdown("", visible=False)
        self._is_paused = False

        @viewer.guarded(self.pause)
        def _(_: Any) -> None:
            (resume if self._is_paused else pause)()

        @viewer.guarded(self.stop)
        def _(_: Any) -> None:
            self.stop.disabled = True
            stop()

    def say(self, text: str, fraction: float | None = None) -> None:
        """One line about what is done, and how much of it in [0, 1]."""
        self._show(plain(text), fraction)

    def _show(self, markdown: str, fraction: float | None) -> None:
        self.line.content = markdown
        self.bar.animated = fraction is None
        self.bar.value = 100.0 if fraction is None else 100 * min(max(fraction, 0.0), 1.0)

    def note(self, text: str) -> None:
        """Something that the user should know; notes stay."""
        self.notes.content = "\n\n".join([line for line in (self.notes.content, plain(text)) if line])
        self.notes.visible = True

    def begin(self) -> None:
        """Training begins: there is something to pause and to stop."""
        self.pause.visible = self.stop.visible = True

    def record(self, status: Status) -> None:
        """Remember a step; shows nothing, costs microseconds."""
        self._psnr = status.psnr if self._psnr is None else _KEPT * self._psnr + (1 - _KEPT) * status.psnr
        part = int(status.progress * _POINTS)
        if part != self._part:
            self._part = part
            self._curve.append((float(status.step), self._psnr, status.loss))

    def update(self, status: Status) -> None:
        """Show where training stands."""
        _, left = self._speed.measured(status)
        psnr = status.psnr if self._psnr is None else self._psnr
        waits = "paused" if self._is_paused else f"{clock(left)} left"
        self._show(
            f"**Step {status.step:,} of {status.steps:,}**, {waits}  \n"
            f"PSNR {psnr:.1f} dB, loss {status.loss:.4f}, {status.splats:,} splats",
            status.progress,
        )
        if len(self._curve) > 1:
            self.plot.data = _columns(self._curve)
            self.plot.visible = True

    def paused(self, paused: bool) -> None:
        """Training waits, or goes on."""
        self._is_paused = paused
        self.pause.label = "Resume" if paused else "Pause"

    def end(self, sentence: str) -> None:
        """Nothing more comes."""
        self.pause.visible = self.stop.visible = False
        self.say(sentence, 1.0)
        self.bar.visible = False


def _columns(curve: list[tuple[float, float, float]]) -> tuple[np.ndarray, ...]:
    """The columns of the curve: steps, PSNR, loss."""
    return tuple(np.array(curve, np.float64).reshape(-1, 3).T.copy())
