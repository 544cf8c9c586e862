"""Handwritten digits from the file that many libraries share, and the splits that affNIST is made from."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.npz import read_array
from geokit.io.safe import existing_file

TRAIN, VALID = 50_000, 10_000  # of the 60,000 training images, in their order
SIDE, CLASSES = 28, 10
_AGAIN = "get the mnist.npz that Keras distributes, and name it with --data"
_DAMAGED = (KeyError, ValueError, EOFError, OSError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Digits:
    """Images (N, 28, 28) of white digits on black, uint8, and their labels (N,), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> "Digits":
        """The first `count`. Raises `InvalidInput` where there are fewer."""
        if not 1 <= count <= len(self):
            raise InvalidInput(f"1 to {len(self)} digits can be taken, got {count}")
        return Digits(self.images[:count], self.labels[:count])

    def centered(self, side: int = 40) -> Tensor:
        """(N, 1, side, side) float32 in [0, 1]: with a black border, as affNIST has them before it moves them."""
        border = (side - SIDE) // 2
        return pad(self.images.float() / 255, (border,) * 4)[:, None]


def load_digits(path: str | Path) -> dict[str, Digits]:
    """Splits train (50,000), valid (10,000) and test (10,000) of mnist.npz, as Keras distributes it.

    The file has arrays x_train (60000, 28, 28), y_train (60000,), x_test (10000, 28, 28) and y_test (10000,): uint8,
    and integers 0 to 9. Raises `UnreadableFile` for anything else; no more is read than such a file holds.
    """
    path = existing_file(path, "file of digits (mnist.npz)")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for part, count in (("train", TRAIN + VALID), ("test", 10_000)):
                arrays[f"x_{part}"] = _array(path, archive, f"x_{part}", (count, SIDE, SIDE))
                arrays[f"y_{part}"] = _array(path, archive, f"y_{part}", (count,))
    except UnreadableFile:
        raise
    except _DAMAGED as error:
        raise UnreadableFile(
            f"{path} does not hold MNIST as arrays x_train, y_train, x_test and y_test ({error}); {_AGAIN}"
        ) from error
    images, labels = arrays["x_train"], _labels(path, "y_train", arrays["y_train"])
    return {
        "train": Digits(torch.from_numpy(images[:TRAIN]), labels[:TRAIN]),
        "valid": Digits(torch.from_numpy(images[TRAIN:]), labels[TRAIN:]),
        "test": Digits(torch.from_numpy(arrays["x_test"]), _labels(path, "y_test", arrays["y_test"])),
    }


def _array(path: Path, archive: zipfile.ZipFile, name: str, wanted: tuple[int, ...]) -> np.ndarray:
    """An array of the shape `wanted`: uint8, or integers where it has one axis."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in an unusual way")
    with archive.open(info) as file:
        array = read_array(path, name, file, info.file_size, wanted)
        if file.read(1):  # which also compares checksums, at the end
            raise ValueError(f"{name} is longer than its header says")
    if not (array.dtype == np.uint8 if len(wanted) > 1 else array.dtype.kind in "iu"):
        kind = "uint8" if len(wanted) > 1 else "integers"
        raise UnreadableFile(f"{path}: {name} is {array.dtype}, wanted {kind}; {_AGAIN}")
    return array


def _labels(path: Path, name: str, labels: np.ndarray) -> Tensor:
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= CLASSES:
        raise UnreadableFile(f"{path}: {name} holds labels from {least} to {most}, wanted 0 to {CLASSES - 1}; {_AGAIN}")
    return torch.from_numpy(labels.astype(np.int64))
