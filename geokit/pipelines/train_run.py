"""One training from its beginning or its checkpoint to its end, with the books kept and a way to stop."""

import hashlib
import platform
import resource
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import geokit
from geokit.errors import InvalidInput, UnreadableFile
from geokit.io import load_checkpoint, save_checkpoint
from geokit.io.photographs import save_picture
from geokit.pipelines.interrupt import Interrupted, StopRequest
from geokit.pipelines.observer import Observer
from geokit.pipelines.train_curve import draw_curve
from geokit.pipelines.train_folder import TrainFolder, save_json
from geokit.pipelines.train_loop import TrainLoop

_LONGEST_WITHOUT_CHECKPOINT = 30.0  # seconds


def train(
    loop: TrainLoop, folder: TrainFolder, kind: str, data: Iterable[Tensor], resume: bool, observer: Observer
) -> None:
    """Train to the end and load the selected weights into `loop.averaged`; in the folder is what a resumed run needs.

    kind: the name of the task on the command line. data: what the checkpoint is bound to. On SIGINT or SIGTERM
    everything is saved and `Interrupted` raised. Raises `InvalidInput` for other data than the checkpoint's,
    `UnreadableFile` for a damaged checkpoint, `NumericalFailure` where training diverges.
    """
    digest = _digest(data)
    if resume and folder.checkpoint.is_file():
        _go_on(loop, folder, digest, observer)
    else:
        folder.clear()
    save_json(folder.settings, loop.settings.as_json())  # of a resumed run too, whose data may have moved
    saved_at = time.monotonic()
    with StopRequest() as stop:
        for evaluated in loop.steps():
            _tell(loop, observer)
            if stop.requested:
                break
            if evaluated or time.monotonic() - saved_at > _LONGEST_WITHOUT_CHECKPOINT:
                _save(loop, folder, digest)
                saved_at = time.monotonic()
        _save(loop, folder, digest)
    if stop.requested:
        line = resuming(folder, kind)
        raise Interrupted(f"stopped in epoch {loop.epoch:.1f}; all is saved, go on with: {line}")
    loop.averaged.load_state_dict(loop.best)


def resuming(folder: TrainFolder, kind: str) -> str:
    """The command that goes on with a run."""
    return shlex.join(["geokit", "train", kind, "--output", str(folder.root), "--resume"])


@contextmanager
def told_when_stopped(folder: TrainFolder, kind: str, resume: bool) -> Iterator[None]:
    """Around all of a training: Ctrl-C before and after `train` raises `Interrupted` with what is saved, as it does.

    kind, resume: as in `train`.
    """
    before = _version(folder.checkpoint)
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as error:
        now = _version(folder.checkpoint)
        if now is not None and now != before:
            said = f"what was trained is saved, go on with: {resuming(folder, kind)}"
        elif resume:
            said = f"the run is as it was before, go on with: {resuming(folder, kind)}"
        elif now is not None:
            said = f"the run that was in {folder.root} before is still there"
        else:
            said = "there was nothing to save yet"
        raise Interrupted(f"stopped; {said}") from error


def _version(file: Path) -> tuple[int, int] | None:
    """Another one for every file that was written here; None where there is none."""
    if not file.is_file():
        return None
    status = file.stat()
    return status.st_ino, status.st_mtime_ns


def save_results(
    loop: TrainLoop, folder: TrainFolder, kind: str, test: dict[str, Any], preparation: float = 0.0
) -> dict[str, Any]:
    """Write the selected weights, the picture of the curve and results.json; returns what is in the last.

    test: figures of the selected weights on test data. preparation: CPU seconds that the training data took.
    """
    settings = loop.settings.as_json()
    save_checkpoint(folder.network, loop.best, {"task": kind, "settings": settings})
    save_picture(folder.picture, draw_curve(loop.curve, loop.problem.error))
    unit = 1 if sys.platform == "darwin" else 1024
    results = {
        "task": kind,
        "test": test,
        "selected": loop.selected,
        "parameters": sum(p.numel() for p in loop.averaged.parameters()),
        "steps": loop.step_number,
        "epochs": loop.epoch,
        "seconds": loop.seconds,
        "cpu_seconds": loop.cpu_seconds,
        "preparation_cpu_seconds": preparation,
        "cpu_milliseconds_per_step": 1e3 * loop.cpu_seconds / loop.step_number,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "settings": settings,
        "versions": {"geokit": geokit.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "curve": loop.curve,
    }
    save_json(folder.results, results)
    return results


def _save(loop: TrainLoop, folder: TrainFolder, digest: str) -> None:
    tensors, numbers = loop.state()
    save_checkpoint(folder.checkpoint, tensors, {"loop": numbers, "data_sha256": digest})


def _go_on(loop: TrainLoop, folder: TrainFolder, digest: str, observer: Observer) -> None:
    tensors, metadata = load_checkpoint(folder.checkpoint)
    if metadata.get("data_sha256") != digest:
        raise InvalidInput(
            f"the training data are not those that {folder.checkpoint} was made from; bring them back or begin anew "
            "with --overwrite"
        )
    try:
        loop.resume(tensors, metadata["loop"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        raise UnreadableFile(
            f"{folder.checkpoint} is not a checkpoint of this network ({type(error).__name__}: {reason}); begin anew "
            "with --overwrite"
        ) from error
    ended = " (it had ended)" if loop.progress >= 1 else ""
    observer.message(f"going on after epoch {loop.epoch:.1f}{ended}")


def _tell(loop: TrainLoop, observer: Observer) -> None:
    """Where training stands; the words change with each evaluation."""
    words = "Training"
    if loop.curve and loop.selected is not None:
        line, best = loop.curve[-1], loop.selected["validation"]
        words = f"Epoch {line['epoch']:.1f}: loss {line['loss']:.4g}, {loop.problem.error} {line['validation']:.4g}"
        words += f" (best {best:.4g}) in validation, {line['cpu_seconds']:.0f} CPU s"
    observer.count(words, round(1000 * loop.progress), 1000)


def _digest(data: Iterable[Tensor]) -> str:
    total = hashlib.sha256()
    for tensor in data:
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()
