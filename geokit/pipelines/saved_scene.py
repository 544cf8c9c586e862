"""The splats that a checkpoint of a reconstruction holds."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from geokit.errors import GeokitError, UnreadableFile
from geokit.geometry import Splats
from geokit.io import load_checkpoint
from geokit.splatting import TrainConfig


def checkpoint_splats(path: str | Path) -> tuple[Splats, TrainConfig]:
    """The splats and what they were trained with. Raises `UnreadableFile` for anything but a checkpoint of
    `geokit reconstruct`."""
    tensors, metadata = load_checkpoint(path)
    try:
        parts = {field.name: tensors[field.name] for field in fields(Splats)}
        # Frequencies are trained in units of each splat's own size.
        parts["wave_frequencies"] = parts["wave_frequencies"] * tensors["frequency_units"]
        config: dict[str, Any] = dict(metadata["config"])
        return Splats(**parts), TrainConfig(**config)
    except (KeyError, TypeError, ValueError, RuntimeError, GeokitError) as error:
        raise UnreadableFile(
            f"{path} holds no splats of geokit reconstruct ({type(error).__name__}: {error}); only its checkpoints can "
            "be opened as a scene"
        ) from error
