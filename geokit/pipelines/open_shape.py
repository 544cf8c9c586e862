"""Any file of a shape, with what its reader had to say."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud, Splats
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import READERS
from geokit.io.point_clouds import POINT_ENDINGS, read_columns
from geokit.io.point_columns import assemble
from geokit.io.safe import existing_file
from geokit.io.shapes import load_shape
from geokit.io.splat_files import load_sound_splats
from geokit.io.splat_ply import is_splat_ply

SPLAT_ENDINGS = (".splat", ".spz")
MESH_ENDINGS = tuple(READERS)


@dataclass
class OpenedShape:
    """shape: what the file holds. messages: sentences about what was left out. dropped: how many splats that were.

    feature_names: one for each column of a cloud's features.
    """

    shape: Mesh | PointCloud | Splats
    messages: list[str] = field(default_factory=list)
    dropped: int = 0
    feature_names: list[str] = field(default_factory=list)


def open_shape(path: Path, drop_nonfinite: bool = False) -> OpenedShape:
    """Read a mesh, points (with all their scalars) or splats, by content and ending.

    drop_nonfinite: leave out what is not finite, which is refused otherwise. Raises `UnreadableFile` for anything
    damaged and `InvalidInput` for an ending that is no format of a shape.
    """
    ending = path.suffix.lower()
    if ending not in (*MESH_ENDINGS, *POINT_ENDINGS, *SPLAT_ENDINGS):
        existing_file(path)
        raise InvalidInput(
            f"{path} is of no kind that geokit knows; it reads {', '.join(dict.fromkeys(_ALL_ENDINGS))}, captures, "
            "checkpoints and the folders of geokit reconstruct"
        )
    existing_file(path)
    if ending in SPLAT_ENDINGS or (ending == ".ply" and is_splat_ply(path)):
        return _splats(path, drop_nonfinite)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opened = OpenedShape(load_shape(path, drop_nonfinite)) if ending in MESH_ENDINGS else None
        if opened is None or (ending == ".ply" and isinstance(opened.shape, PointCloud)):
            columns = read_columns(path)
            opened = OpenedShape(assemble(path, columns, drop_nonfinite, features=True))
            opened.feature_names = list(columns.extras)
    said = (str(warning.message).removeprefix(f"{path}: ") for warning in caught)
    opened.messages += dict.fromkeys(said)  # a .ply of points is read twice
    return opened


_ALL_ENDINGS = (*MESH_ENDINGS, *POINT_ENDINGS, *SPLAT_ENDINGS)


def _splats(path: Path, drop_nonfinite: bool) -> OpenedShape:
    splats, bad = load_sound_splats(path)
    if bad and not drop_nonfinite:
        from geokit.io import load_splats

        splats = load_splats(path)  # raises the sentence
    message = f"left out {bad} more splats with NaN or infinite values or a zero rotation"
    return OpenedShape(splats, [message] if bad else [], bad)
