"""What every reader of meshes hands over, and the checks that turn it into a `Mesh`."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from geokit.backend.file_ops import triangulate_polygons
from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.vertex_values import decimals


@dataclass
class MeshContent:
    """The tables of one file: indices are in range, nothing else has been checked.

    vertices (V, 3); faces (F, 3) int64; normals, colors (V, 3); uv (F, 3, 2); texture (H, W, 3 or 4) in [0, 1].
    exact: whether the file says how precise its vertices are, so that their dtype is kept; text does not.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    exact: bool = True


def no_faces() -> np.ndarray:
    """(0, 3) indices."""
    return np.empty((0, 3), np.int64)


def finish(path: Path, content: MeshContent, drop_nonfinite: bool = False) -> Mesh:
    """The mesh of `content`: finite, with unit normals, float32 unless the file is more precise than that.

    Text has no precision of its own: its vertices become float32 unless that moved one by a millionth of the extent, as
    it does to coordinates of a map; then float64. Values that only decorate (normals, colours, uv) are left out with a
    warning when they are not finite.
    Raises `UnreadableFile` when vertices are not finite; drop_nonfinite leaves them and their faces out with a warning.
    """
    content = _without_nonfinite(path, content, drop_nonfinite)
    dtype = content.vertices.dtype if content.exact else decimals(content.vertices).dtype
    if dtype not in (np.float32, np.float64):
        dtype = np.dtype(np.float64)
    fields = {"vertices": content.vertices, "normals": content.normals, "colors": content.colors, "uv": content.uv}
    kept = {"faces": torch.from_numpy(np.ascontiguousarray(content.faces, np.int64))}
    for name, values in fields.items():
        if values is None:
            continue
        with np.errstate(over="ignore"):
            values = np.require(values, dtype, ["C", "W"])  # a tensor must own what it may change
        if name != "vertices" and not np.isfinite(values).all():
            warnings.warn(f"{path}: its {name} are not all finite and were left out", stacklevel=3)
            continue
        kept[name] = torch.from_numpy(_unit_rows(values) if name == "normals" else values)
    if content.texture is not None and "uv" in kept:
        kept["texture"] = torch.from_numpy(np.ascontiguousarray(content.texture, dtype))
    return Mesh(**kept)


def _without_nonfinite(path: Path, content: MeshContent, drop: bool) -> MeshContent:
    finite = np.isfinite(content.vertices)
    if finite.all():
        return content
    good = finite.all(axis=1)
    bad = len(good) - int(np.count_nonzero(good))
    if not drop:
        raise UnreadableFile(
            f"{path} has {bad} of {len(good)} vertices with NaN or infinite coordinates, the first is number "
            f"{int(np.argmin(good))} (from 0); leave them and their faces out with drop_nonfinite=True"
        )
    faces = good[content.faces].all(axis=1)
    warnings.warn(
        f"{path}: left out {bad} vertices that are not finite, and {int((~faces).sum())} faces that use them",
        stacklevel=4,
    )
    numbers = np.cumsum(good) - 1
    return MeshContent(
        content.vertices[good],
        numbers[content.faces[faces]],
        None if content.normals is None else content.normals[good],
        None if content.colors is None else content.colors[good],
        None if content.uv is None else content.uv[faces],
        content.texture,
        content.exact,
    )


def _unit_rows(normals: np.ndarray) -> np.ndarray:
    """Rows of length one; rows of zeros stay."""
    largest = np.abs(normals).max(axis=1, keepdims=True)
    normals = normals / np.where(largest > 0, largest, 1)  # first, so that no square leaves the range
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.where(lengths > 0, lengths, 1)).astype(normals.dtype)


def check_indices(path: Path, indices: np.ndarray, count: int, what: str = "a face") -> None:
    """Raise `UnreadableFile` unless all `indices` are whole numbers in [0, count)."""
    if not indices.size:
        return
    low, high = indices.min(), indices.max()
    if not (low >= 0 and high < count):
        wrong = low if not low >= 0 else high
        raise UnreadableFile(
            f"{path}: {what} names the vertex {wrong:.0f}, but there are {count}, numbered from 0; "
            "the file is damaged: export it again"
        )
    if indices.dtype.kind == "f" and (indices != np.floor(indices)).any():
        raise UnreadableFile(f"{path}: {what} names a vertex by a number that is not whole; export the file again")


def cut_polygons(
    path: Path, lengths: np.ndarray, items: np.ndarray, vertices: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Polygons of `lengths` (F,) with corners `items` (N,) in range as triangles.

    Returns faces (T, 3) int64 and the places in `items` of their corners (T, 3), None when all are triangles as they
    stand. Polygons of fewer than three corners are left out with a warning.
    """
    if len(lengths) and lengths.min() == lengths.max() == 3:
        return items.reshape(-1, 3).astype(np.int64), None
    short = int(np.count_nonzero(lengths < 3))
    if short:
        warnings.warn(f"{path}: left out {short} faces of fewer than three corners", stacklevel=4)
    corners, unfinished = triangulate_polygons(lengths, items, vertices)
    if unfinished:
        warnings.warn(f"{path}: {unfinished} large polygons that are not convex were cut as fans", stacklevel=4)
    return items[corners].astype(np.int64), corners


def of_corners(values: np.ndarray, corners: np.ndarray | None) -> np.ndarray:
    """(T, 3, ...) what `values` (N, ...) of all corners says of those that `cut_polygons` gave."""
    return values.reshape(-1, 3, *values.shape[1:]) if corners is None else values[corners]


def strips_to_triangles(items: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(T, 3) places in `items` (N,) of the triangles of strips that begin at `starts` (ascending) or after a negative.

    Every second triangle of a strip is turned; those with two equal corners only steer and are left out.
    """
    count = len(items)
    if count < 3:
        return no_faces()
    begins = np.zeros(count, np.int64)
    begins[starts[starts < count]] = starts[starts < count]
    breaks = np.flatnonzero(items < 0)
    begins[breaks[breaks + 1 < count] + 1] = breaks[breaks + 1 < count] + 1
    begins = np.maximum.accumulate(begins)
    a, b, c = items[:-2], items[1:-1], items[2:]
    whole = (begins[2:] <= np.arange(count - 2)) & (a >= 0) & (b >= 0) & (c >= 0) & (a != b) & (b != c) & (a != c)
    first = np.flatnonzero(whole)
    odd = (first - begins[first]) % 2
    return np.stack([first + odd, first + 1 - odd, first + 2], axis=1)
