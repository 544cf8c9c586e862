"""What is known about the right map between two shapes, from the files in which data sets keep it."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.pipelines.landmark_file import load_landmarks
from geokit.pipelines.map_file import NUMPY, is_zip, load_numbers, load_p2p, vertex_numbers
from geokit.pipelines.match_folder import load_arrays

_START = 4096  # bytes that tell how many columns a text has


def load_truth(paths: Sequence[Path], counts: tuple[int, int]) -> Tensor:
    """(L, 2) int64 vertices of shapes of `counts` vertices that are known to correspond.

    One path: a map as `load_map` reads it, or two columns as `load_landmarks` does; the word "same" says that equal
    numbers correspond. Two: what a data set gives for each shape, a list whose entries number i correspond: .vts, which
    counts from 1 as those of Ren et al. (2018) do, or a .npz with `vts`, from 0. Raises `UnreadableFile`,
    `InvalidInput`.
    """
    if len(paths) == 2:
        lists = [_template(path) for path in paths]
        if len(lists[0]) != len(lists[1]):
            raise InvalidInput(
                f"{paths[0]} has {len(lists[0]):,} entries and {paths[1]} has {len(lists[1]):,}; entries of equal "
                "number correspond, so give two lists of one data set"
            )
        return checked_pairs(paths, torch.stack(lists, 1), counts)
    if len(paths) != 1:
        raise InvalidInput(f"the truth is one file, or one for each shape; got {len(paths)}")
    (path,) = paths
    if str(path) == "same" and not path.exists():
        if counts[0] != counts[1]:
            raise InvalidInput(
                f"the shapes have {counts[0]:,} and {counts[1]:,} vertices, so equal numbers cannot correspond; give a "
                "file as the truth"
            )
        return torch.arange(counts[0])[:, None].expand(-1, 2).contiguous()
    if _has_columns(path):
        return checked_pairs(paths, load_landmarks(path), counts)
    images, exchanged = load_p2p(path, counts)
    pairs = torch.stack([images, torch.arange(len(images))], 1)
    return pairs.flip(1) if exchanged else pairs


def _has_columns(path: Path) -> bool:
    """Is it a text whose first line with anything on it has two numbers?"""
    if is_zip(path):
        return False
    with open(path, "rb") as file:
        start = file.read(_START)
    if start.startswith(NUMPY):
        return False
    lines = (line.split("#")[0] for line in start.decode(errors="replace").splitlines())
    words = next((line.replace(",", " ").replace(";", " ").split() for line in lines if line.strip()), [])
    return len(words) == 2


def _template(path: Path) -> Tensor:
    if is_zip(path):
        arrays = load_arrays(path)
        if "vts" not in arrays:
            raise UnreadableFile(f"{path} holds no list vts (it holds {', '.join(arrays) or 'nothing'}); name it so")
        return vertex_numbers(path, arrays["vts"])
    return vertex_numbers(path, load_numbers(path)) - (1 if path.suffix.lower() == ".vts" else 0)


def checked_pairs(where: Sequence[object], pairs: Tensor, counts: tuple[int, int]) -> Tensor:
    """(L, 2) int64 vertices of shapes of `counts` vertices, each shape's from where[0] and, if there are two, where[1].

    Raises `InvalidInput` for another shape, numbers that are not whole, and vertices that the shapes do not have.
    """
    if pairs.dim() != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise InvalidInput(f"{where[0]} has shape {tuple(pairs.shape)}, wanted pairs of vertices (L, 2)")
    pairs = torch.stack([vertex_numbers(where[min(side, len(where) - 1)], pairs[:, side]) for side in (0, 1)], 1)
    for side, count in enumerate(counts):
        low, high = (int(value) for value in pairs[:, side].aminmax())
        if low < 0 or high >= count:
            raise InvalidInput(
                f"{where[min(side, len(where) - 1)]} names vertices from {low:,} to {high:,} of shape {side + 1}, "
                f"which has 0 to {count - 1:,}; give the truth of these two shapes, in their order"
            )
    return pairs
