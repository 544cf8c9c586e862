"""A training run that measures itself, saves itself and can be stopped."""

import math
import resource
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from geokit.geometry import Splats
from geokit.io import save_checkpoint, save_splats
from geokit.pipelines.evaluate import mean_psnr
from geokit.pipelines.gpu_memory import memory_explained
from geokit.pipelines.interrupt import Interrupted, StopRequest
from geokit.pipelines.observer import Observer, Status
from geokit.pipelines.posed_pictures import PosedPictures
from geokit.pipelines.run_folder import RunFolder
from geokit.pipelines.settings import Settings
from geokit.splatting import Step, TrainConfig, Trainer
from geokit.splatting.reading import runs_ahead

_LINES, _EVALUATIONS, _CHECKPOINTS = 100, 8, 10  # of each in a run, at most
_LONGEST_WITHOUT_CHECKPOINT = 60.0  # seconds,
_MOST_SAVING = 0.05  # unless more than this part of the time would go into saving
_KEPT = 0.95  # weight of the past in the running mean that is shown
_READ_EVERY = 0.2  # seconds between looks at what the steps on a GPU measured, each of which waits for the last step


class Training:
    """Drives a `Trainer` to the end of its run and keeps the books.

    seconds, cpu_seconds: what the training steps alone took so far, on the clock and of the processors (user + system),
    over all sittings of the run. test: held-out views, possibly none. digest: hashes of the training and test views.
    device: where to compute. On a GPU the loss and the PSNR that observers are told are up to 0.2 s old.
    """

    def __init__(
        self,
        splats: Splats,
        views: tuple[PosedPictures, PosedPictures],
        settings: Settings,
        folder: RunFolder,
        observer: Observer,
        device: torch.device,
    ) -> None:
        train, self.test = views
        self.settings, self.folder, self.observer = settings, folder, observer
        self._saved_step: int | None = None  # up to which the folder has everything, scene included
        self._checkpoint_step: int | None = None  # up to which the checkpoint goes
        with memory_explained(device, lambda: self._too_large(len(splats), train.cameras.sizes)):
            self.trainer = Trainer(train.cameras, train.photographs, splats, settings.train, device)
        self.digest = [train.digest(), self.test.digest()]
        self.seconds = self.cpu_seconds = 0.0
        self._earlier_memory, self._earlier_gpu_memory = 0, 0
        self._unread: list[Step] = []
        self._read_at = 0.0
        self._losses: list[float] = []  # since the last line of the curve
        self._shown, self._psnr = math.nan, math.nan  # running mean of the loss; of the last view
        self._saved_at, self._saving = time.monotonic(), 0.0  # when, and the seconds that it took
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
            with self.memory_explained():
                while self.progress < 1 and not stop.requested:
                    before = self.progress
                    self._step(before)
                    self._after(before)
                self.save(with_splats=True)
            if stop.requested:
                raise self.interrupted()

    def _step(self, progress: float) -> None:
        with self._counted():
            step = self.trainer.step(progress)
            self._unread.append(step)
            due = time.monotonic() - self._read_at > _READ_EVERY or self.progress >= 1
            if due or not runs_ahead(self.trainer.device):
                self._read()
        now = (step.number, self.trainer.config.steps, self.progress)
        self.observer.training(Status(*now, self._shown, self._psnr, step.splats, self.seconds))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """The time that is spent inside is the training's."""
        clock, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - clock
        self.cpu_seconds += time.process_time() - cpu

    def _catch_up(self) -> None:
        """Wait for the steps that were made: what waits for the device next would not count it."""
        if self._unread:
            with self._counted():
                self._read()

    def _read(self) -> None:
        """Learn what the steps measured."""
        for step in self._unread:
            self._losses.append(step.loss)
            self._shown = _KEPT * (step.loss if math.isnan(self._shown) else self._shown) + (1 - _KEPT) * step.loss
        if self._unread:
            self._psnr = self._unread[-1].psnr
        self._unread.clear()
        self._read_at = time.monotonic()

    def _after(self, before: float) -> None:
        """What is due after a step that moved the run on from progress `before`."""

        def passed(parts: int) -> bool:
            return math.floor(self.progress * parts) > math.floor(before * parts)

        patience = max(_LONGEST_WITHOUT_CHECKPOINT, self._saving / _MOST_SAVING)
        overdue = time.monotonic() - self._saved_at > patience
        if overdue or any(map(passed, (_LINES, _EVALUATIONS, _CHECKPOINTS))):
            self._catch_up()  # which may move the run further: all below sees where it is then
        if passed(_LINES) or passed(_EVALUATIONS):
            self._write_line(evaluate=passed(_EVALUATIONS))
        if self.progress < 1 and (passed(_CHECKPOINTS) or overdue):
            self.save()

    def _write_line(self, evaluate: bool) -> None:
        line: dict[str, Any] = {
            "step": self.trainer.step_number,
            "loss": sum(self._losses) / len(self._losses),
            "splats": len(self.trainer.optimizer),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        if evaluate and len(self.test):
            line["test_psnr"] = mean_psnr(self.trainer.splats, self.test, self.trainer.config)
        self.folder.append_to_curve(line)
        self._losses.clear()

    def save(self, with_splats: bool = False) -> None:
        """Save the checkpoint and, at the end of a sitting, the scene."""
        self._catch_up()
        began = time.monotonic()
        tensors, metadata = self.trainer.state()
        metadata |= {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory(),
            "peak_gpu_memory_bytes": self.peak_gpu_memory(),
            "train_images": list(self.trainer.cameras.names),
            "capture_sha256": self.digest,
        }
        save_checkpoint(self.folder.checkpoint, tensors, metadata)
        self._saved_at, self._checkpoint_step = time.monotonic(), self.trainer.step_number
        self._saving = self._saved_at - began
        if with_splats:
            save_splats(self.folder.splats, self.trainer.splats)
            self._saved_step = self.trainer.step_number

    def resume(self, tensors: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Go on where `save` was called."""
        self.trainer.resume(tensors, metadata)
        self._checkpoint_step = self.trainer.step_number
        self.seconds, self.cpu_seconds = float(metadata["seconds"]), float(metadata["cpu_seconds"])
        self._earlier_memory = int(metadata["peak_memory_bytes"])
        self._earlier_gpu_memory = int(metadata.get("peak_gpu_memory_bytes", 0))

    def peak_memory(self) -> int:
        """The most bytes that the process held, over all sittings of the run."""
        unit = 1 if sys.platform == "darwin" else 1024
        return max(self._earlier_memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

    def peak_gpu_memory(self) -> int:
        """The most bytes that tensors held on the GPU, over all sittings of the run; 0 of a run without one."""
        device = self.trainer.device
        return max(self._earlier_gpu_memory, torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0)

    def memory_explained(self) -> AbstractContextManager[None]:
        """Inside the block a GPU without memory is one sentence that says how to go on."""
        trainer = self.trainer
        return memory_explained(trainer.device, lambda: self._too_large(len(trainer.optimizer), trainer.cameras.sizes))

    def _too_large(self, count: int, sizes: Sequence[tuple[int, int]]) -> str:
        width, height = max(sizes, key=lambda size: size[0] * size[1])
        sentence = (
            f"to train {count:,} splats with pictures of {width}x{height}; begin again with a lower --max-splats or a "
            "larger --downscale, or compute with --device cpu"
        )
        if self._checkpoint_step is None:
            return sentence
        return (
            f"{sentence}, which also goes on from step {self._checkpoint_step:,}: "
            f"{command(self.settings.capture, self.folder.root)} --resume --device cpu"
        )

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
