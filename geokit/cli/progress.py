"""Live progress on a terminal, sparse plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from geokit.cli.pipes import printing
from geokit.pipelines.observer import Observer, Status
from geokit.pipelines.pace import Speed, clock

_SELDOM = 30.0  # seconds between plain lines, at least, beside those at every tenth of the run
_BAR = 12  # characters


@contextmanager
def shown_progress(quiet: bool = False) -> Iterator[Observer]:
    """The observer for where standard error goes; where that is no terminal, it is kept for errors alone.

    quiet: say nothing on standard output, for verbs that take a moment or print JSON there.
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Observer() if quiet else PlainProgress()
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield LiveProgress(live)


def described(status: Status, speed: tuple[float, float]) -> str:
    """One line about where training stands."""
    per_second = f"  {speed[0]:.1f} steps/s" if math.isfinite(speed[0]) else ""
    return (
        f"step {status.step:,}/{status.steps:,}  {clock(speed[1])} left  loss {status.loss:.4f}  "
        f"PSNR {status.psnr:.1f} dB  {status.splats:,} splats{per_second}"
    )


def bar(fraction: float) -> Text:
    """A bar of a fixed width."""
    done = round(_BAR * fraction)
    return Text.assemble(("━" * done, "cyan"), ("━" * (_BAR - done), "bright_black"), "  ")


class LiveProgress(Observer):
    """One line that is rewritten."""

    def __init__(self, live: Live) -> None:
        self._live, self._speed = live, Speed()

    def _show(self, text: Text, fraction: float | None = None) -> None:
        if fraction is not None and len(text) + _BAR + 2 <= self._live.console.width:
            text = bar(fraction) + text
        text.no_wrap, text.overflow = True, "ellipsis"
        self._live.update(text)

    def message(self, text: str) -> None:
        """Print a note above the line."""
        self._live.console.print(Text.assemble(("note  ", "yellow"), text))

    def phase(self, text: str) -> None:
        """Show what is being done."""
        self._show(Text(f"{text} ..."))

    def count(self, text: str, done: int, total: int) -> None:
        """Show how much of it is done."""
        self._show(Text(f"{text}  {done}/{total}"), done / total)

    def training(self, status: Status) -> None:
        """Show where training stands."""
        self._show(Text(described(status, self._speed.measured(status))), status.progress)


class PlainProgress(Observer):
    """Lines on standard output; none once its reader is gone, so that `| head` does not end a run."""

    def __init__(self) -> None:
        self._speed, self._tenth, self._said_at, self._phase = Speed(), 0, time.monotonic(), ""

    def _say(self, text: str) -> None:
        with printing():
            print(text, file=sys.stdout, flush=True)

    def message(self, text: str) -> None:
        """Print a note."""
        self._say(f"note: {text}")

    def phase(self, text: str) -> None:
        """Say what is being done, once."""
        if text != self._phase:
            self._phase = text
            self._say(text)

    def count(self, text: str, done: int, total: int) -> None:
        """Say what is being done, once."""
        self.phase(text)

    def training(self, status: Status) -> None:
        """Say where training stands, now and then."""
        speed, now = self._speed.measured(status), time.monotonic()
        tenth = math.floor(status.progress * 10)
        if tenth > self._tenth or now - self._said_at > _SELDOM:
            self._tenth, self._said_at = tenth, now
            self._say(described(status, speed))
