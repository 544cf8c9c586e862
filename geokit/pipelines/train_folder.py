"""The folder that a training leaves: which file is where, and whether a run may begin or go on there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.safe import atomic_write, read_bytes
from geokit.pipelines.run_folder import remove
from geokit.pipelines.train_settings import Settings, resumed, settings_of


@dataclass(frozen=True)
class TrainFolder:
    """The files of one training in the folder `root`."""

    root: Path

    @property
    def settings(self) -> Path:
        """What the run was made with."""
        return self.root / "settings.json"

    @property
    def checkpoint(self) -> Path:
        """What --resume goes on from."""
        return self.root / "checkpoint.safetensors"

    @property
    def network(self) -> Path:
        """The selected weights, with the settings that the network is built by."""
        return self.root / "network.safetensors"

    @property
    def results(self) -> Path:
        """The figures and the curve; written last."""
        return self.root / "results.json"

    @property
    def picture(self) -> Path:
        """The curve, drawn."""
        return self.root / "curve.png"

    def contents(self) -> list[Path]:
        """What a run has left here so far."""
        files = (self.settings, self.checkpoint, self.network, self.results, self.picture)
        return [file for file in files if file.exists()]

    def open(self, kind: type[Settings], given: Mapping[str, Any], resume: bool, overwrite: bool) -> Settings:
        """The settings of the run that begins here, or goes on: options that are given (not None) and defaults.

        Raises `InvalidInput` where a run is there and is neither resumed nor to be overwritten, where none is there to
        resume, and for options that a resumed run cannot change; `UnreadableFile` for a damaged settings.json.
        """
        if resume and overwrite:
            raise InvalidInput("--resume and --overwrite contradict each other; choose one")
        if self.root.exists() and not self.root.is_dir():
            raise InvalidInput(f"{self.root} is a file, but the output is a folder; choose another name")
        if resume:
            return resumed(self._saved(kind), given, self.root)
        settings = settings_of(kind, given)
        if self.contents() and not overwrite:
            raise InvalidInput(
                f"{self.root} already holds a run; go on with --resume, replace it with --overwrite, or choose another "
                "folder"
            )
        return settings

    def _saved(self, kind: type[Settings]) -> Settings:
        if not self.settings.is_file():
            raise InvalidInput(f"{self.root} holds no run to go on with (no settings.json); leave --resume out")
        try:
            return settings_of(kind, json.loads(read_bytes(self.settings, "settings.json of a run")))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableFile(
                f"{self.settings} is not that of a run of this kind ({error}); name the folder of another run, or "
                "begin anew with --overwrite"
            ) from error

    def clear(self) -> None:
        """Remove what an earlier run left; other files stay."""
        remove(self.contents())


def save_json(path: Path, content: Any) -> None:
    """Write plain values, atomically."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())
