"""A training run that measures itself, saves itself and can be stopped."""

import math
import resource
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from geokit.geometry import Splats
from geokit.io import save_checkpoint, save_splats
from geokit.pipelines.evaluate import mean_psnr
from geokit.pipelines.interrupt import Interrupted, StopRequest
from geokit.pipelines.observer import Observer, Status
from geokit.pipelines.posed_pictures import PosedPictures
from geokit.pipelines.run_folder import RunFolder
from geokit.pipelines.settings import Settings
from geokit.splatting import TrainConfig, Trainer

_LINES, _EVALUATIONS, _CHECKPOINTS = 100, 8, 10  # of each in a run, at most
_LONGEST_WITHOUT_CHECKPOINT = 60.0  # seconds
_KEPT = 0.95  # weight of the past in the running mean that is shown


class Training:
    """Drives a `Trainer` to the end of its run and keeps the books.

    seconds, cpu_seconds: what the training steps alone took so far, on the clock and of the processors (user + system),
    over all sittings of the run. test: held-out views, possibly none. digest: hashes of the training and test views.
    """

    def __init__(
        self,
        splats: Splats,
        views: tuple[PosedPictures, PosedPictures],
        settings: Settings,
        folder: RunFolder,
        observer: Observer,
    ) -> None:
        train, self.test = views
        self.trainer = Trainer(train.cameras, train.photographs, splats, settings.train)
        self.digest = [train.digest(), self.test.digest()]
        self.settings, self.folder, self.observer = settings, folder, observer
        self.seconds = self.cpu_seconds = 0.0
        self._earlier_memory = 0
        self._losses: list[float] = []  # since the last line of the curve
        self._shown: float | None = None  # running mean of the loss
        self._saved_step: int | None = None  # up to which the folder has everything, scene included
        self._saved_at = time.monotonic()
        self._stop = StopRequest()

    @property
    def splats(self) -> Splats:
        """A copy of the splats as they are now."""
        return self.trainer.splats

    @property
    def config(self) -> TrainConfig:
        """What they are trained with."""
        return self.trainer.config

    @property
    def stopping(self) -> bool:
        """Whether a signal or `stop` asked to stop."""
        return self._stop.requested

    def stop(self) -> None:
        """Ask to save and stop after the step that is being made; from any thread."""
        self._stop.ask()

    @property
    def progress(self) -> float:
        """In [0, 1]: the fraction of the steps, or of the time limit where that is nearer."""
        fraction = self.trainer.step_number / self.trainer.config.steps
        limit = self.settings.time_limit
        return min(1.0, fraction if limit is None else max(fraction, self.seconds / limit))

    def run(self) -> None:
        """Train to the end and save. On SIGINT, SIGTERM or `stop` save what there is and raise `Interrupted`."""
        with self._stop as stop:
            self._saved_at = time.monotonic()
            self.observer.begins(self)
            while self.progress < 1 and not stop.requested:
                before = self.progress
                self._step(before)
                self._after(before, self.progress)
            self.save(with_splats=True)
            if stop.requested:
                raise self.interrupted()

    def _step(self, progress: float) -> None:
        clock, cpu = time.perf_counter(), time.process_time()
        step = self.trainer.step(progress)
        self.seconds += time.perf_counter() - clock
        self.cpu_seconds += time.process_time() - cpu
        self._losses.append(step.loss)
        self._shown = _KEPT * (step.loss if self._shown is None else self._shown) + (1 - _KEPT) * step.loss
        now = (step.number, self.trainer.config.steps, self.progress)
        self.observer.training(Status(*now, self._shown, step.psnr, step.splats, self.seconds))

    def _after(self, before: float, now: float) -> None:
        """What is due after a step that moved the run from progress `before` to `now`."""

        def passed(parts: int) -> bool:
            return math.floor(now * parts) > math.floor(before * parts)

        if passed(_LINES) or passed(_EVALUATIONS):
            self._write_line(evaluate=passed(_EVALUATIONS))
        overdue = time.monotonic() - self._saved_at > _LONGEST_WITHOUT_CHECKPOINT
        if now < 1 and (passed(_CHECKPOINTS) or overdue):
            self.save()

    def _write_line(self, evaluate: bool) -> None:
        line: dict[str, Any] = {
            "step": self.trainer.step_number,
            "loss": sum(self._losses) / len(self._losses),
            "splats": len(self.trainer.splats),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        if evaluate and len(self.test):
            line["test_psnr"] = mean_psnr(self.trainer.splats, self.test, self.trainer.config)
        self.folder.append_to_curve(line)
        self._losses.clear()

    def save(self, with_splats: bool = False) -> None:
        """Save the checkpoint and, at the end of a sitting, the scene."""
        tensors, metadata = self.trainer.state()
        metadata |= {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory(),
            "train_images": list(self.trainer.cameras.names),
            "capture_sha256": self.digest,
        }
        save_checkpoint(self.folder.checkpoint, tensors, metadata)
        self._saved_at = time.monotonic()
        if with_splats:
            save_splats(self.folder.splats, self.trainer.splats)
            self._saved_step = self.trainer.step_number

    def resume(self, tensors: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Go on where `save` was called."""
        self.trainer.resume(tensors, metadata)
        self.seconds, self.cpu_seconds = float(metadata["seconds"]), float(metadata["cpu_seconds"])
        self._earlier_memory = int(metadata["peak_memory_bytes"])

    def peak_memory(self) -> int:
        """The most bytes that the process held, over all sittings of the run."""
        unit = 1 if sys.platform == "darwin" else 1024
        return max(self._earlier_memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

    def interrupted(self) -> Interrupted:
        """What to raise when the user stopped a run whose settings are saved."""
        number = self.trainer.step_number
        saved = "all is saved, go" if self._saved_step == number else "go"
        return Interrupted(
            f"stopped at step {number:,} of {self.trainer.config.steps:,}; {saved} on with: "
            f"{command(self.settings.capture, self.folder.root)} --resume"
        )


def command(capture: Path, output: Path) -> str:
    """The command line that makes a run."""
    return shlex.join(["geokit", "reconstruct", str(capture), "--output", str(output)])
