"""How a long job tells what it is doing, without knowing who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from geokit.geometry import Splats
    from geokit.io import Capture
    from geokit.splatting import TrainConfig


@dataclass(frozen=True)
class Status:
    """Where training stands.

    progress is in [0, 1]; loss is a running mean over the last steps, psnr (dB) that of the last view; seconds are
    those spent in training steps.
    """

    step: int
    steps: int
    progress: float
    loss: float
    psnr: float
    splats: int
    seconds: float


class RunningTraining(Protocol):
    """A training run as those see it who watch. All but `stop` and `stopping` only where the observer is called: in
    the thread that trains, between two steps."""

    @property
    def splats(self) -> Splats:
        """A copy of the splats as they are now."""

    @property
    def config(self) -> TrainConfig:
        """What they are trained with."""

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop; an observer that holds the training up has to let it go then."""

    def stop(self) -> None:
        """Ask to save everything and stop, as SIGINT does; from any thread."""


class Observer:
    """Listens to a job and does nothing; override what you want to hear."""

    def message(self, text: str) -> None:
        """Something that the user should know, one sentence."""

    def phase(self, text: str) -> None:
        """What is being done from now on, in a few words."""

    def count(self, text: str, done: int, total: int) -> None:
        """`done` of `total` things of a phase are finished."""

    def opened(self, capture: Capture) -> None:
        """The capture is open, its photographs not yet decoded."""

    def begins(self, training: RunningTraining) -> None:
        """Training is about to make its first step."""

    def training(self, status: Status) -> None:
        """A training step was made; the next one waits for the return, on no clock of the run."""


class Observers(Observer):
    """Tells all to several."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def message(self, text: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.message(text)

    def phase(self, text: str) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.phase(text)

    def count(self, text: str, done: int, total: int) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.count(text, done, total)

    def opened(self, capture: Capture) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.opened(capture)

    def begins(self, training: RunningTraining) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.begins(training)

    def training(self, status: Status) -> None:
        """Pass it on."""
        for observer in self._observers:
            observer.training(status)
