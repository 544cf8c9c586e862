"""Landmarks as people write them down: two columns of vertex numbers."""

from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import UnreadableFile
from geokit.io.safe import read_bytes

_MOST = 100_000  # lines


def load_landmarks(path: Path) -> Tensor:
    """(L, 2) int64 of a text file: on every line a vertex of shape 1 and one of shape 2, counted from 0.

    Blanks, tabs, commas or semicolons between them; `#` begins a comment; empty lines are skipped. Raises
    `UnreadableFile` that names the line for anything else.
    """
    lines = read_bytes(path, "file of landmarks").decode(errors="replace").splitlines()
    if len(lines) > _MOST:
        raise UnreadableFile(f"{path} has {len(lines):,} lines, which is no list of landmarks; name another file")
    pairs = []
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            first, second = (int(word) for word in words)
        except ValueError:
            shown = line.strip()[:40]
            raise UnreadableFile(
                f"{path}, line {number}: {shown!r} is not two vertex numbers; write one of shape 1 and one of shape 2, "
                "counted from 0"
            ) from None
        if not 0 <= min(first, second) <= max(first, second) < 2**31:
            raise UnreadableFile(f"{path}, line {number}: {first} {second}: vertices are numbered from 0; correct it")
        pairs.append((first, second))
    if not pairs:
        raise UnreadableFile(f"{path} holds no landmarks; write two vertex numbers on a line, or leave it out")
    return torch.tensor(pairs)
