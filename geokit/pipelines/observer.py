"""How a long job tells what it is doing, without knowing who listens."""

from dataclasses import dataclass


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


class Observer:
    """Listens to a job and does nothing; override what you want to hear."""

    def message(self, text: str) -> None:
        """Something that the user should know, one sentence."""

    def phase(self, text: str) -> None:
        """What is being done from now on, in a few words."""

    def count(self, text: str, done: int, total: int) -> None:
        """`done` of `total` things of a phase are finished."""

    def training(self, status: Status) -> None:
        """A training step was made."""
