"""Coloured point clouds as .ply files."""

from pathlib import Path

import numpy as np
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.io.ply import read_vertices, write_vertices
from geokit.io.safe import atomic_write

_COLORS = ("red", "green", "blue")


def load_point_ply(path: str | Path) -> PointCloud:
    """The vertices of a .ply: x y z of any type and, where it has them, red green blue (integers or floats in [0, 1]).

    Returns float32. Raises `UnreadableFile` when the file is damaged, misses x, y or z, or holds NaN.
    """
    path = Path(path)
    columns = read_vertices(path, ("x", "y", "z"), "points")
    points = np.stack([columns[name].astype(np.float32) for name in "xyz"], axis=1)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points).all(axis=1)).sum())
        raise UnreadableFile(f"{path} has {bad} points with NaN or infinite coordinates; remove them")
    colors = None
    if all(name in columns for name in _COLORS):
        colors = np.stack([_unit(columns[name]) for name in _COLORS], axis=1)
        if not np.isfinite(colors).all():
            raise UnreadableFile(f"{path} has points with NaN or infinite colours; remove them")
    return PointCloud(torch.from_numpy(points), None if colors is None else torch.from_numpy(colors))


def save_point_ply(path: str | Path, cloud: PointCloud) -> None:
    """Write a binary .ply with x y z as float32 and, for a coloured cloud, red green blue as bytes; atomically."""
    columns = {name: cloud.points[:, i].detach().cpu().numpy().astype(np.float32) for i, name in enumerate("xyz")}
    if cloud.colors is not None:
        bytes_ = (cloud.colors.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        columns |= {name: bytes_[:, i] for i, name in enumerate(_COLORS)}
    with atomic_write(path) as file:
        file.write(write_vertices(columns))


def _unit(column: np.ndarray) -> np.ndarray:
    """A colour channel to float32 in [0, 1]; ascii files give bytes as floats."""
    if column.dtype.kind in "iu":
        return (column / np.iinfo(column.dtype).max).astype(np.float32)
    whole = column.size > 0 and column.max() > 1 and bool((column == np.round(column)).all())
    return (column / (255 if whole else 1)).astype(np.float32)
