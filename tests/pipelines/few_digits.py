"""A file of the shape of MNIST whose first digits are five kinds of signs, and whose other ones are blank."""

from pathlib import Path

import numpy as np

SIGNS = (
    "##### #.... #.... #.... #....",
    "##### ..#.. ..#.. ..#.. ..#..",
    ".###. #...# #...# #...# .###.",
    "####. ...#. ..#.. .#... .####",
    "#...# .#.#. ..#.. .#.#. #...#",
)
DRAWN = 300  # of the training, validation and test digits


def draw_sign(label: int, generator: np.random.Generator) -> np.ndarray:
    """(28, 28) uint8: a sign of 15 pixels, as thick and as bright as chance has it, near the middle."""
    bitmap = np.array([[mark == "#" for mark in row] for row in SIGNS[label].split()], dtype=np.float64)
    large = np.kron(bitmap, np.ones((3, 3))) * generator.uniform(0.7, 1)
    if generator.random() < 0.5:
        padded = np.pad(large, 1)
        large = np.maximum(large, 0.6 * padded[2:, 1:-1])
    image = np.zeros((28, 28))
    row, column = generator.integers(5, 9, 2)
    image[row : row + 15, column : column + 15] = large
    return (255 * image).astype(np.uint8)


def write_digits(path: Path, drawn: int = DRAWN) -> Path:
    """mnist.npz with `drawn` digits at the beginning of each of the splits train, valid and test."""
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count, starts in (("train", 60_000, (0, 50_000)), ("test", 10_000, (0,))):
        images, labels = np.zeros((count, 28, 28), np.uint8), np.zeros(count, np.uint8)
        for start in starts:
            for index in range(start, start + drawn):
                labels[index] = index % len(SIGNS)
                images[index] = draw_sign(int(labels[index]), generator)
        arrays |= {f"x_{part}": images, f"y_{part}": labels}
    np.savez_compressed(path, **arrays)
    return path
