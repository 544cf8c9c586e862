"""Particles in motion as samples to learn from, and the .npz file that holds them."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geokit.errors import UnreadableFile
from geokit.io.safe import atomic_write, existing_file

PARTICLES = 5
SPLITS = ("train", "valid", "test")
_FIELDS = {"x0": "x0", "v0": "v0", "charges": "q", "x1": "x1"}  # and their names in a file


@dataclass(frozen=True)
class Particles:
    """S samples of five particles, float32.

    x0, v0: (S, 5, 3) positions and velocities. charges: (S, 5). x1: (S, 5, 3) positions one unit of time later.
    """

    x0: Tensor
    v0: Tensor
    charges: Tensor
    x1: Tensor

    def __len__(self) -> int:
        return len(self.x0)


def save_nbody(path: str | Path, splits: Mapping[str, Particles]) -> None:
    """Write arrays train_x0, train_v0, train_q, train_x1, valid_x0, ... as a .npz file, atomically."""
    arrays = {
        f"{split}_{name}": getattr(particles, field).numpy()
        for split, particles in splits.items()
        for field, name in _FIELDS.items()
    }
    with atomic_write(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_nbody(path: str | Path) -> dict[str, Particles]:
    """The splits train, valid and test of a file as `save_nbody` writes. Raises `UnreadableFile` for anything else."""
    path = existing_file(path, ".npz file of particles")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {split: _split(path, file, split) for split in SPLITS}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        raise UnreadableFile(
            f"{path} is no .npz, or damaged ({error}); delete it, or name another file with --data"
        ) from error


def _split(path: Path, file: Mapping[str, np.ndarray], split: str) -> Particles:
    tensors: dict[str, Tensor] = {}
    for field, name in _FIELDS.items():
        if f"{split}_{name}" not in file:
            raise UnreadableFile(f"{path} holds no array {split}_{name}; delete it, or name another file with --data")
        array = file[f"{split}_{name}"]
        shape = (PARTICLES,) if field == "charges" else (PARTICLES, 3)
        count = len(tensors["x0"]) if tensors else (*array.shape, 0)[0]
        if array.shape != (count, *shape) or not count:
            wanted = ", ".join(str(size) for size in (count or "S", *shape))
            raise UnreadableFile(f"{path}: {split}_{name} has shape {array.shape}, wanted ({wanted}); save it again")
        tensors[field] = torch.from_numpy(array.astype(np.float32))
        if not bool(tensors[field].isfinite().all()):
            raise UnreadableFile(f"{path}: {split}_{name} has values that are NaN or infinite; save it again")
    return Particles(**tensors)
