"""From the columns of a file to a `PointCloud`: what all readers of points agree on.

Coordinates keep the type of the file: float32 stays float32, doubles and scaled integers become float64. Decimals in
text become float32 unless that would move a point by more than a millionth of the cloud's extent, as it does surveyors'
coordinates (600,000 m east, 5,000,000 m north, which float32 rounds to half a metre); those become float64.
Colours and normals get the type of the coordinates.
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.io.vertex_values import unit_colors

_UNFOLDED = 32 << 20  # bytes that any compressed file may unfold to
_COLUMNS = 1024  # of a point: what has more is a table of something else
_UNIT = 1e-3  # normals whose length differs from 1 by more are made unit


@dataclass
class PointColumns:
    """What a reader found.

    points (N, 3) float32 or float64; colors (N, 3) of any type and scale; normals (N, 3); extras: (N,) each, by name.
    dropped: how many points the format marks as missing; they are not in the columns.
    """

    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    dropped: int = 0


def assemble(path: Path, columns: PointColumns, drop_nonfinite: bool = False, features: bool = False) -> PointCloud:
    """The cloud of `columns`; `UnreadableFile` for points with NaN or infinite values, unless they are to be dropped.

    features: keep the extras as features, in their order. Whatever is left out is told of in a warning: points,
    colours of no known scale, normals without a direction (which become zero).
    """
    points, colors, normals = columns.points, columns.colors, columns.normals
    chosen = list(columns.extras.values()) if features else []
    checked = [points] if colors is None or colors.dtype.kind != "f" else [points, colors]
    finite = None if all(map(_all_finite, checked)) else np.all([np.isfinite(t).all(axis=1) for t in checked], axis=0)
    bad = 0 if finite is None else len(points) - int(finite.sum())
    if bad and not drop_nonfinite:
        raise UnreadableFile(
            f"{path} has {bad} of {len(points)} points with NaN or infinite values; leave them out with "
            "--drop-nonfinite of geokit convert (drop_nonfinite=True in Python)"
        )
    if finite is not None and bad:
        points, chosen = points[finite], [values[finite] for values in chosen]
        colors, normals = (None if values is None else values[finite] for values in (colors, normals))
        warnings.warn(f"{path}: left out {bad:,} points with NaN or infinite values", stacklevel=3)
    if columns.dropped:
        warnings.warn(f"{path}: left out {columns.dropped:,} points that the file marks as missing", stacklevel=3)
    points = np.require(points, requirements=["C", "A", "W"])  # never the bytes of the file themselves
    kind = points.dtype
    colors = None if colors is None else unit_colors(path, colors, kind)
    table = np.stack([values.astype(kind) for values in chosen], axis=1) if chosen else None
    return PointCloud(
        torch.from_numpy(points),
        None if colors is None else torch.from_numpy(colors),
        None if normals is None else torch.from_numpy(_unit_normals(path, normals, kind)),
        None if table is None else torch.from_numpy(table),
    )


def _unit_normals(path: Path, normals: np.ndarray, kind: np.dtype) -> np.ndarray:
    normals = np.array(normals, dtype=kind, order="C")
    if not _all_finite(normals):
        lost = ~np.isfinite(normals).all(axis=1)
        warnings.warn(f"{path}: {int(lost.sum()):,} normals are NaN or infinite and became zero", stacklevel=4)
        normals[lost] = 0
    with np.errstate(over="ignore"):
        squares = np.einsum("ij,ij->i", normals, normals)
    odd = (abs(squares - 1) > 2 * _UNIT) & normals.any(axis=1)
    if odd.any():
        scaled = normals[odd] / abs(normals[odd]).max(axis=1, keepdims=True)  # so that no square overflows
        normals[odd] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return normals


def _all_finite(values: np.ndarray) -> bool:
    """By the sum, which is not finite where a value is not; where it overflows, by every value."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def check_unfolding(path: Path, unfolded: int, packed: int, ratio: float) -> None:
    """Raise `UnreadableFile` when `packed` bytes are to unfold to more than 32 MB and more than `ratio` times as much.

    Called before anything of that size is allocated.
    """
    if unfolded > max(_UNFOLDED, ratio * packed):
        raise UnreadableFile(
            f"{path} would unfold from {packed} to {unfolded} bytes, more than {ratio:g} times its size; "
            "the file is damaged or made to fill the memory: export it again, uncompressed"
        )


def check_width(path: Path, width: int) -> None:
    """Raise `UnreadableFile` for more columns than points have: each of them costs time and memory of its own."""
    if width > _COLUMNS:
        raise UnreadableFile(
            f"{path} has {width:,} numbers a point, more than {_COLUMNS:,}; it is no file of points: check what it is, "
            "and whether its rows and columns are exchanged"
        )
