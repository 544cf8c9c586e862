"""The folder that a reconstruction leaves: which file is where, and the curve in metrics.jsonl."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geokit.errors import GeokitError, UnreadableFile
from geokit.io.safe import atomic_write, read_bytes


@dataclass(frozen=True)
class RunFolder:
    """The files of one run in the folder `root`."""

    root: Path

    @property
    def splats(self) -> Path:
        """The scene, in the capture's own frame."""
        return self.root / "splats.ply"

    @property
    def checkpoint(self) -> Path:
        """What --resume goes on from."""
        return self.root / "checkpoint.safetensors"

    @property
    def config(self) -> Path:
        """What the run was made with."""
        return self.root / "config.yaml"

    @property
    def views(self) -> Path:
        """Held-out photograph | render | error, one picture a view."""
        return self.root / "views"

    @property
    def turntable(self) -> Path:
        """The moving picture."""
        return self.root / "turntable.gif"

    @property
    def curve(self) -> Path:
        """One JSON object a line, about one per cent of the run each."""
        return self.root / "metrics.jsonl"

    @property
    def metrics(self) -> Path:
        """The final figures."""
        return self.root / "metrics.json"

    def contents(self) -> list[Path]:
        """What a run has left here so far."""
        files = [self.splats, self.checkpoint, self.config, self.turntable, self.curve, self.metrics]
        return [file for file in files if file.exists()] + sorted(self.views.glob("*.png"))

    def clear(self) -> None:
        """Remove what an earlier run left; other files stay."""
        remove(self.contents())

    def append_to_curve(self, line: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        try:
            with open(self.curve, "a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise GeokitError(
                f"{self.curve} could not be written ({error.strerror}); free some space, then go on with --resume"
            ) from error

    def cut_curve(self, step: int) -> None:
        """Drop the lines of metrics.jsonl after `step`, and a line that a killed process left half-written."""
        if not self.curve.exists():
            return
        kept = []
        for line in read_bytes(self.curve, "curve").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + b"\n")
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
        with atomic_write(self.curve) as file:
            file.write(b"".join(kept))

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """Write metrics.json, atomically."""
        with atomic_write(self.metrics) as file:
            file.write((json.dumps(metrics, indent=2) + "\n").encode())

    def load_metrics(self) -> dict[str, Any]:
        """Read metrics.json; `UnreadableFile` when it is not what `save_metrics` wrote."""
        try:
            metrics = json.loads(read_bytes(self.metrics, "metrics.json of a run"))
        except (ValueError, RecursionError) as error:
            raise _damaged(self.metrics, error) from error
        missing = {"psnr", "ssim", "seconds", "cpu_seconds"} - set(metrics if isinstance(metrics, dict) else ())
        if missing:
            raise _damaged(self.metrics, f"it has no {min(missing)!r}")
        return dict(metrics)


def remove(files: Iterable[Path]) -> None:
    """Delete files of an earlier run, or say which cannot be."""
    try:
        for file in files:
            file.unlink()
    except OSError as error:
        raise GeokitError(f"{error.filename} cannot be removed ({error.strerror}); choose another folder") from error


def _damaged(file: Path, reason: object) -> UnreadableFile:
    return UnreadableFile(f"{file} is damaged ({reason}); remove it, or make it again with --resume")


def scene_file(path: str | Path) -> Path:
    """The splat file that a user means: the file itself, or splats.ply of the run folder `path`."""
    path = Path(path)
    if not path.is_dir():
        return path
    file = RunFolder(path).splats
    if not file.is_file():
        raise UnreadableFile(f"{path} holds no splats.ply; name a folder that geokit reconstruct made, or a splat file")
    return file
