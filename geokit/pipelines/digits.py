"""Handwritten digits from the file that many libraries share, and the splits that affNIST is made from."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.safe import existing_file

TRAIN, VALID = 50_000, 10_000  # of the 60,000 training images, in their order
SIDE = 28


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

    The file has arrays x_train (60000, 28, 28), y_train, x_test (10000, 28, 28) and y_test, uint8. Raises
    `UnreadableFile` for anything else.
    """
    path = existing_file(path, "mnist.npz file of digits")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        raise UnreadableFile(
            f"{path} does not hold MNIST as arrays x_train, y_train, x_test and y_test ({error}); get the mnist.npz "
            "that Keras distributes, and name it with --data"
        ) from error
    for part, count in (("train", TRAIN + VALID), ("test", 10_000)):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if images.shape != (count, SIDE, SIDE) or labels.shape != (count,) or images.dtype != np.uint8:
            raise UnreadableFile(
                f"{path}: x_{part} is {images.dtype} {images.shape} with labels {labels.shape}, wanted uint8 "
                f"({count}, {SIDE}, {SIDE}) with labels ({count},); get the mnist.npz that Keras distributes"
            )
    images, labels = torch.from_numpy(arrays["x_train"]), torch.from_numpy(arrays["y_train"]).long()
    return {
        "train": Digits(images[:TRAIN], labels[:TRAIN]),
        "valid": Digits(images[TRAIN:], labels[TRAIN:]),
        "test": Digits(torch.from_numpy(arrays["x_test"]), torch.from_numpy(arrays["y_test"]).long()),
    }
