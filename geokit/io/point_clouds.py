"""Point clouds as files, by ending: .ply, .xyz .txt .csv .pts .asc .xyzn .xyzrgb, .pcd, .las .laz, .e57, .npz .npy."""

import re
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from geokit.errors import InvalidInput
from geokit.geometry.point_cloud import PointCloud
from geokit.io.e57 import read_e57, write_e57
from geokit.io.las import read_las, write_las
from geokit.io.npz import read_npz, write_npy, write_npz
from geokit.io.pcd import read_pcd, write_pcd
from geokit.io.point_columns import PointColumns, assemble
from geokit.io.point_files import read_point_ply, write_point_ply
from geokit.io.safe import atomic_write
from geokit.io.xyz import read_xyz, write_xyz

_TEXT = (".xyz", ".txt", ".csv", ".pts", ".asc", ".xyzn", ".xyzrgb")
_READERS: dict[str, Callable[[Path], PointColumns]] = {
    ".ply": read_point_ply,
    **dict.fromkeys(_TEXT, read_xyz),
    ".pcd": read_pcd,
    **dict.fromkeys((".las", ".laz"), read_las),
    ".e57": read_e57,
    **dict.fromkeys((".npz", ".npy"), read_npz),
}
_WRITERS: dict[str, Callable[[PointCloud, Sequence[str]], bytes]] = {
    ".ply": write_point_ply,
    **{ending: partial(write_xyz, ending=ending) for ending in _TEXT},
    ".pcd": write_pcd,
    ".las": lambda cloud, _: write_las(cloud),
    ".laz": lambda cloud, _: write_las(cloud, compressed=True),
    ".e57": lambda cloud, _: write_e57(cloud),
    ".npz": lambda cloud, _: write_npz(cloud),
    ".npy": lambda cloud, _: write_npy(cloud),
}
POINT_ENDINGS = tuple(_READERS)
_CANNOT_HOLD = {
    **dict.fromkeys((".las", ".laz"), ("normals", "features")),
    ".e57": ("features",),
    ".npy": ("colors", "normals", "features"),
}


def load_points(path: str | Path, *, drop_nonfinite: bool = False, features: bool = False) -> PointCloud:
    """Read a cloud by its ending, in the file's own frame and unit (.las and .e57: metres), on the CPU.

    points have the type of the file: float32, or float64 where it holds doubles, scaled integers (.las, .laz) or more
    digits than float32 keeps (surveyors' coordinates as text; see `geokit.io.vertex_values`). colors are in [0, 1],
    normals unit. All scans of an .e57 are brought into its common frame. Of a mesh the vertices are read.
    features: also read what else the file knows of every point (intensity, ...), as columns in the order of the file.
    drop_nonfinite: leave out points with NaN or infinite values, which are refused otherwise. These, and points that
    the format itself marks as missing (.pcd, .e57), are left out with a warning.

    Raises `UnreadableFile` for anything damaged, lying or of another kind, `InvalidInput` for an ending that is none of
    these, and `MissingDependency` for a .laz without the packages of the extra `scans`.
    """
    path = Path(path)
    return assemble(path, read_columns(path), drop_nonfinite, features)


def read_columns(path: Path) -> PointColumns:
    """What the reader of the ending found."""
    return _READERS[_known_ending(path)](path)


def save_points(path: str | Path, cloud: PointCloud, feature_names: Sequence[str] = ()) -> None:
    """Write a cloud by the ending, atomically; float64 points keep all their digits except in .las and .laz.

    feature_names: one for each column of features, by default scalar_1, scalar_2, ...; .npz has no names.

    .las and .laz round coordinates to a step of 1/1,000 (finer for small clouds). What a format cannot hold is dropped
    with a warning that says so. Raises `InvalidInput` for an ending that is no format of points.
    """
    path = Path(path)
    ending = _known_ending(path)
    lost = lost_in(ending, cloud)
    count = 0 if cloud.features is None else cloud.features.shape[1]
    names = list(feature_names) or [f"scalar_{i + 1}" for i in range(count)]
    if len(names) != count or any(not re.fullmatch(r"[^\s,;]+", name) for name in names):
        raise InvalidInput(f"feature_names must name {count} features without spaces and commas, got {names}")
    content = _WRITERS[ending](cloud, names)
    with atomic_write(path) as file:
        file.write(content)
    if lost:
        warnings.warn(f"{path}: {ending} cannot hold {' and '.join(lost)}; write a .ply to keep them", stacklevel=2)


def lost_in(ending: str, cloud: PointCloud) -> list[str]:
    """Names of the fields of `cloud` that files with this ending cannot hold."""
    return [name for name in _CANNOT_HOLD.get(ending, ()) if getattr(cloud, name) is not None]


def _known_ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in _READERS:
        raise InvalidInput(
            f"{path}: files of points end in {', '.join(POINT_ENDINGS)}, not {ending or 'in nothing'}; rename or "
            "convert it"
        )
    return ending
