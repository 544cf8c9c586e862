"""Point clouds as .ply files: x y z, and where the file has them red green blue and nx ny nz."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.point_cloud import PointCloud
from geokit.io.ply import read_vertex_table
from geokit.io.point_columns import PointColumns, assemble
from geokit.io.safe import atomic_write

_COLORS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))


def load_point_ply(path: str | Path) -> PointCloud:
    """The vertices of a .ply: x y z of any type and, where it has them, red green blue (integers or floats in [0, 1]).

    Returns float32. Raises `UnreadableFile` when the file is damaged, misses x, y or z, or holds NaN.
    `geokit.io.load_points` reads more kinds of files, and keeps doubles.
    """
    columns = read_point_ply(Path(path))
    return assemble(Path(path), PointColumns(columns.points.astype(np.float32, copy=False), columns.colors))


def read_point_ply(path: Path, data: bytes | None = None) -> PointColumns:
    """The columns of the element `vertex`: integers as coordinates become float64."""
    table = read_vertex_table(path, ("x", "y", "z"), "points", data)
    points = table.columns("x", "y", "z")
    if points.dtype not in (np.float32, np.float64):
        points = points.astype(np.float32 if points.dtype.itemsize <= 2 else np.float64)
    names = table.names()
    colors, normals = (
        next((group for group in spellings if set(group) <= set(names)), None) for spellings in (_COLORS, _NORMALS)
    )
    used = {"x", "y", "z", *(colors or ()), *(normals or ())}
    return PointColumns(
        points,
        None if colors is None else table.columns(*colors),
        None if normals is None else table.columns(*normals),
        {name: table.column(name) for name in names if name not in used},
    )


def save_point_ply(path: str | Path, cloud: PointCloud) -> None:
    """Write a binary .ply: x y z in the type of the points, red green blue as bytes, nx ny nz; atomically."""
    with atomic_write(path) as file:
        file.write(write_point_ply(cloud))


def write_point_ply(cloud: PointCloud, names: Sequence[str] = ()) -> bytes:
    """The bytes of a binary .ply. names: of the features."""
    kind = "<f8" if cloud.points.dtype == torch.float64 else "<f4"
    columns = [(name, kind, cloud.points[:, i]) for i, name in enumerate("xyz")]
    if cloud.normals is not None:
        columns += [(name, "<f4", cloud.normals[:, i]) for i, name in enumerate(_NORMALS[0])]
    if cloud.colors is not None:
        bytes_ = torch.from_numpy(color_bytes(cloud.colors))
        columns += [(name, "u1", bytes_[:, i]) for i, name in enumerate(_COLORS[0])]
    if cloud.features is not None:
        columns += [(name, "<f4", column) for name, column in zip(names, cloud.features.unbind(1))]
    rows = np.empty(len(cloud), np.dtype([(name, kind) for name, kind, _ in columns]))
    for name, _, values in columns:
        rows[name] = values.detach().cpu().numpy()
    types = {"<f8": "double", "<f4": "float", "u1": "uchar"}
    lines = ["ply", "format binary_little_endian 1.0", "comment written by geokit", f"element vertex {len(cloud)}"]
    lines += [f"property {types[kind]} {name}" for name, kind, _ in columns]
    return ("\n".join([*lines, "end_header"]) + "\n").encode("ascii") + rows.tobytes()
