"""Points in NumPy's files: a .npy with one table, a .npz with arrays by name. Nothing pickled is ever read."""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from geokit.errors import UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.io.point_columns import PointColumns, check_unfolding, check_width
from geokit.io.safe import existing_file
from geokit.io.xyz import guess_columns

_POINTS = ("points", "xyz", "positions", "pos", "vertices", "v", "means3d", "means", "pts")
_COLORS, _NORMALS, _FEATURES = ("colors", "colours", "rgb", "color"), ("normals", "normal"), ("features",)
_LONGEST_HEADER = 10_000
_PIECE = 1 << 20
_RATIO = 10


def read_npz(path: Path) -> PointColumns:
    """The columns of a .npy (N, 3 or more) or of the arrays points, colors, normals and features of a .npz."""
    existing_file(path, "NumPy file")
    with open(path, "rb") as file:
        size = path.stat().st_size
        if path.suffix.lower() == ".npy":
            return _columns_of_table(path, read_array(path, path.name, file, size))
        try:
            return _archive(path, file, size)
        except UnreadableFile:
            raise
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise UnreadableFile(f"{path} is no .npz, or damaged ({error}); export it again") from error


def _archive(path: Path, file: BinaryIO, size: int) -> PointColumns:
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

        def array(wanted: tuple[str, ...]) -> np.ndarray | None:
            name = next((name for name in wanted if name in members), None)
            if name is None:
                return None
            info = members[name]
            check_unfolding(path, info.file_size, size, _RATIO)
            with archive.open(info) as member:
                return read_array(path, name, member, info.file_size)

        points = array(_POINTS)
        if points is None:
            listed = ", ".join(sorted(members)[:10])
            raise UnreadableFile(
                f"{path} holds no array 'points' (it holds {listed or 'none'}); save it under that name"
            )
        columns = _columns_of_table(path, points)
        for field, wanted in (("colors", _COLORS), ("normals", _NORMALS)):
            table = array(wanted)
            if table is not None:
                _check_shape(path, field, table, (len(points), 3))
                setattr(columns, field, table)
        features = array(_FEATURES)
        if features is not None:
            features = features[:, None] if features.ndim == 1 else features
            _check_shape(path, "features", features, (len(points), *features.shape[1:2]))
            columns.extras |= {f"features_{i}": column for i, column in enumerate(features.T)}
    return columns


def _check_shape(path: Path, name: str, table: np.ndarray, wanted: tuple[int, ...]) -> None:
    if table.shape != wanted:
        raise UnreadableFile(f"{path}: {name} has shape {table.shape}, wanted {wanted}; save it again")


def _columns_of_table(path: Path, table: np.ndarray) -> PointColumns:
    if table.ndim != 2 or table.shape[1] < 3:
        raise UnreadableFile(f"{path} holds an array of shape {table.shape}, wanted points (N, 3); save it again")
    kind = np.float32 if table.dtype.itemsize <= 4 and table.dtype.kind == "f" else np.float64
    points = table[:, :3].astype(kind, copy=False)
    check_width(path, table.shape[1])
    names = guess_columns(table)
    named = {name: table[:, i] for i, name in enumerate(names)}
    colors, normals = (
        np.stack([named.pop(name) for name in wanted], axis=1) if wanted[0] in named else None
        for wanted in (("red", "green", "blue"), ("nx", "ny", "nz"))
    )
    return PointColumns(points, colors, normals, {n: v for n, v in named.items() if n not in ("x", "y", "z")})


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type; the length of the header is checked before it is read."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    counter = file.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(counter, "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"its header promises {length} bytes")
    return read(io.BytesIO(counter + file.read(length)), max_header_size=_LONGEST_HEADER)


def read_array(
    path: Path, name: str, file: IO[bytes], size: int, wanted_shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """The array of numbers in the `size` bytes of `file`, after its header has been believed.

    wanted_shape: what the header must promise before anything more is read. Raises `UnreadableFile` for what is
    damaged or something else.
    """
    try:
        shape, by_columns, dtype = _header(file)
    except Exception as error:  # the header is a Python literal: parsing another text fails in many ways
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path}: {name} is no NumPy array ({reason}); save it again") from error
    if dtype.hasobject or dtype.kind not in "fiub":
        raise UnreadableFile(f"{path}: {name} holds {dtype}, wanted numbers; pickled objects are never read")
    if wanted_shape is not None and shape != wanted_shape:
        raise UnreadableFile(f"{path}: {name} has shape {shape}, wanted {wanted_shape}; save it again")
    wanted = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
    if any(n < 0 for n in shape) or wanted > size:
        raise UnreadableFile(
            f"{path}: {name} promises an array of shape {shape} ({wanted} bytes) but only {size} bytes are there; the "
            "file is truncated or damaged: save it again"
        )
    data = bytearray(wanted)
    place = 0
    while place < wanted:
        piece = file.read(min(_PIECE, wanted - place))
        if not piece:
            raise UnreadableFile(f"{path}: {name} ends after {place} of {wanted} bytes; the file is truncated")
        data[place : place + len(piece)] = piece
        place += len(piece)
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")
    array = array.astype(np.float64) if array.dtype.kind == "b" or array.dtype == np.float16 else array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def write_npz(cloud: PointCloud) -> bytes:
    """A compressed .npz with points, colors, normals and features as they are."""
    out = io.BytesIO()
    arrays: dict[str, Any] = {name: tensor.detach().cpu().numpy() for name, tensor in cloud.tensors().items()}
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def write_npy(cloud: PointCloud) -> bytes:
    """The points alone."""
    out = io.BytesIO()
    np.save(out, cloud.points.detach().cpu().numpy(), allow_pickle=False)
    return out.getvalue()
