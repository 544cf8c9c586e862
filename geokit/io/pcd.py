"""The .pcd format of the Point Cloud Library, versions 0.5 to 0.7: ascii, binary and binary_compressed.

A cloud laid out as a picture (HEIGHT > 1) marks its missing points by NaN; those are left out. VIEWPOINT, the pose of
the sensor, is not applied: points stay in the frame that they are written in, as the Point Cloud Library keeps them.
"""

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.point_cloud import PointCloud
from geokit.io.point_columns import PointColumns, check_unfolding
from geokit.io.safe import check_count, read_bytes
from geokit.io.vertex_values import decimals

_LONGEST_HEADER = 1 << 16
_KINDS = {("I", n): f"<i{n}" for n in (1, 2, 4, 8)} | {("U", n): f"<u{n}" for n in (1, 2, 4, 8)}
_KINDS |= {("F", n): f"<f{n}" for n in (4, 8)}
_NORMALS = (("normal_x", "normal_y", "normal_z"), ("nx", "ny", "nz"))
_COLORS = (("r", "g", "b"), ("red", "green", "blue"))
_RATIO = 88  # LZF makes at most 264 bytes of 3


@dataclass(frozen=True)
class _Header:
    names: tuple[str, ...]
    kinds: tuple[str, ...]  # numpy type codes
    counts: tuple[int, ...]  # values a field
    points: int
    data: str
    body: int  # where the points begin

    @property
    def row(self) -> np.dtype:
        """One point; fields of several values, and those of no name ('_', padding), by their place."""
        fields = [(str(i), kind, (count,)) for i, (kind, count) in enumerate(zip(self.kinds, self.counts))]
        return np.dtype(fields)

    def columns(self, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Values (N,) by name from fields (N, count)."""
        found: dict[str, np.ndarray] = {}
        for name, count, values in zip(self.names, self.counts, rows):
            if name != "_":
                found |= {name if count == 1 else f"{name}_{j}": values[:, j] for j in range(count)}
        return found


def read_pcd(path: Path) -> PointColumns:
    """The columns of a .pcd; `UnreadableFile` when its header lies or it is damaged."""
    data = read_bytes(path, ".pcd file")
    header = _parse_header(path, data)
    read = {"ascii": _ascii, "binary": _binary, "binary_compressed": _compressed}[header.data]
    columns = header.columns(read(path, data, header))
    for name in "xyz":
        if name not in columns:
            raise UnreadableFile(f"{path} has no field {name} (it has {', '.join(columns) or 'none'}); export it again")
    points = np.stack([columns.pop(name) for name in "xyz"], axis=1)
    if header.data == "ascii":
        points = decimals(points.astype(np.float64))
    else:
        points = points.astype(np.float32 if points.dtype in (np.float32, np.int8, np.int16) else np.float64)
    there = np.isfinite(points).all(axis=1)
    dropped = int((~there).sum())
    if dropped:
        points = points[there]
        columns = {name: values[there] for name, values in columns.items()}
    normals = _three(columns, _NORMALS)
    colors = _packed_colors(columns) if "rgb" in columns or "rgba" in columns else _three(columns, _COLORS)
    return PointColumns(points, colors, normals, columns, dropped=dropped)


def _three(columns: dict[str, np.ndarray], spellings: tuple[tuple[str, ...], ...]) -> np.ndarray | None:
    names = next((names for names in spellings if all(name in columns for name in names)), None)
    return None if names is None else np.stack([columns.pop(name) for name in names], axis=1)


def _packed_colors(columns: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 3) bytes out of 0x00RRGGBB, which may be stored as the bits of a float32 (also in ascii, as its decimals)."""
    packed = columns.pop("rgb" if "rgb" in columns else "rgba")
    with np.errstate(over="ignore", invalid="ignore"):
        if packed.dtype.kind == "f":
            packed = np.ascontiguousarray(packed, np.float32).view(np.uint32)
        else:
            packed = packed.astype(np.uint32)
    return np.stack([(packed >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)], axis=1)


def _parse_header(path: Path, data: bytes) -> _Header:
    entries: dict[str, list[str]] = {}
    place = 0
    while "DATA" not in entries:
        end = data.find(b"\n", place, _LONGEST_HEADER)
        if end < 0:
            raise UnreadableFile(f"{path} is no .pcd file, or truncated (its header has no DATA line); export it again")
        words = data[place:end].decode("ascii", "replace").split()
        place = end + 1
        if words and not words[0].startswith("#"):
            key = "FIELDS" if words[0] == "COLUMNS" else words[0]
            if key not in (
                "VERSION",
                "FIELDS",
                "SIZE",
                "TYPE",
                "COUNT",
                "WIDTH",
                "HEIGHT",
                "VIEWPOINT",
                "POINTS",
                "DATA",
            ):
                raise UnreadableFile(f"{path} has a header line that is not understood: {' '.join(words)[:60]!r}")
            entries[key] = words[1:]
    names = entries.get("FIELDS", [])
    try:
        sizes = [int(word) for word in entries["SIZE"]]
        counts = [int(word) for word in entries.get("COUNT", ["1"] * len(names))]
        width, height = (int(entries[key][0]) if key in entries else 1 for key in ("WIDTH", "HEIGHT"))
        points = int(entries["POINTS"][0]) if "POINTS" in entries else width * height
        kinds = [_KINDS[kind, size] for kind, size in zip(entries["TYPE"], sizes, strict=True)]
        form = entries["DATA"][0].lower()
    except (KeyError, IndexError, ValueError) as error:
        raise UnreadableFile(
            f"{path} has a header without sense (SIZE, TYPE, COUNT, WIDTH, HEIGHT, POINTS and DATA: {error}); export "
            "it again"
        ) from error
    if not names or not len(names) == len(kinds) == len(counts) or min(counts) < 1 or max(counts) > 1 << 16:
        raise UnreadableFile(
            f"{path} has a header that disagrees with itself: {len(names)} FIELDS, {len(kinds)} of SIZE and TYPE, "
            f"{len(counts)} of COUNT (each at least 1); export it again"
        )
    real = [name for name in names if name != "_"]
    if len(set(real)) < len(real):
        raise UnreadableFile(f"{path} has two fields of one name (FIELDS {' '.join(names)[:80]}); export it again")
    if "WIDTH" in entries and width * height != points:
        raise UnreadableFile(
            f"{path} promises {points} points but WIDTH x HEIGHT = {width} x {height} are {width * height}; the header "
            "is damaged: export it again"
        )
    if form not in ("ascii", "binary", "binary_compressed"):
        raise UnreadableFile(f"{path} has DATA {form[:30]!r}, wanted ascii, binary or binary_compressed")
    return _Header(tuple(names), tuple(kinds), tuple(counts), points, form, place)


def _ascii(path: Path, data: bytes, header: _Header) -> list[np.ndarray]:
    width = sum(header.counts)
    check_count(path, "points", header.points, 2 * width, len(data) - header.body + 1)
    try:
        text = io.BytesIO(data[header.body :])
        table = np.loadtxt(text, ndmin=2, comments=None, encoding="latin1") if header.points else np.empty((0, width))
    except ValueError as error:
        raise UnreadableFile(f"{path} has a line among its points that is no line of numbers ({error})") from error
    if table.shape != (header.points, width):
        raise UnreadableFile(
            f"{path} promises {header.points} points of {width} numbers but has {len(table)} of "
            f"{table.shape[1]}; the file is truncated or damaged: export it again"
        )
    places = np.cumsum([0, *header.counts])
    columns = [table[:, a:b] for a, b in itertools.pairwise(places)]
    packed = [name in ("rgb", "rgba") and kind[1] != "f" for name, kind in zip(header.names, header.kinds)]
    return [values.astype(np.int64) if integer else values for integer, values in zip(packed, columns)]


def _binary(path: Path, data: bytes, header: _Header) -> list[np.ndarray]:
    check_count(path, "points", header.points, header.row.itemsize, len(data) - header.body)
    rows = np.frombuffer(data, header.row, header.points, header.body)
    return [rows[name] for name in header.row.names or ()]


def _compressed(path: Path, data: bytes, header: _Header) -> list[np.ndarray]:
    """After the two sizes the fields follow one after the other (all x, then all y, ...), packed together by LZF."""
    check_count(path, "bytes of sizes", 8, 1, len(data) - header.body)
    packed, unfolded = (int(n) for n in np.frombuffer(data, "<u4", 2, header.body))
    check_count(path, "packed bytes", packed, 1, len(data) - header.body - 8)
    if unfolded != header.points * header.row.itemsize or unfolded > _RATIO * packed:
        raise UnreadableFile(
            f"{path} promises {header.points} points of {header.row.itemsize} bytes but {packed} packed bytes that "
            f"unfold to {unfolded}; the file is damaged: export it again"
        )
    check_unfolding(path, unfolded, len(data), 10)
    plain = unpack_lzf(path, data[header.body + 8 : header.body + 8 + packed], unfolded)
    columns, place = [], 0
    for kind, count in zip(header.kinds, header.counts):
        values = np.frombuffer(plain, kind, header.points * count, place)
        columns.append(values.reshape(header.points, count))
        place += values.nbytes
    return columns


def unpack_lzf(path: Path, packed: bytes, size: int) -> bytes:
    """The `size` bytes that the LZF stream `packed` stands for.

    A control byte below 32 begins a run of that many literal bytes plus one; any other one a copy of earlier bytes, its
    upper three bits the length minus two (7: one more byte adds to it), the lower five and one more byte the distance
    minus one.
    """
    out = bytearray()
    place, end = 0, len(packed)
    try:
        while place < end:
            control = packed[place]
            place += 1
            if control < 32:
                out += packed[place : place + control + 1]
                place += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[place]
                place += 1
            distance = ((control & 31) << 8 | packed[place]) + 1
            place += 1
            length += 2
            start = len(out) - distance
            if start < 0 or len(out) > size:
                raise IndexError
            if distance >= length:
                out += out[start : start + length]
            else:
                out += (out[start:] * (length // distance + 1))[:length]
    except IndexError:
        out.clear()
    if len(out) != size or place != end:
        raise UnreadableFile(f"{path} holds packed points that do not unfold; the file is damaged: export it again")
    return bytes(out)


def write_pcd(cloud: PointCloud, names: Sequence[str] = ()) -> bytes:
    """A binary .pcd: x y z, rgb packed into a float as the Point Cloud Library has it, normal_x normal_y normal_z.

    names: of the features.
    """
    kind = "<f8" if cloud.points.dtype == torch.float64 else "<f4"
    fields = [(name, kind) for name in "xyz"]
    fields += [("rgb", "<f4")] if cloud.colors is not None else []
    fields += [(name, "<f4") for name in _NORMALS[0]] if cloud.normals is not None else []
    fields += [(name, "<f4") for name in names]
    rows = np.empty(len(cloud), np.dtype(fields))
    tables = [("xyz", cloud.points), (_NORMALS[0], cloud.normals), (names, cloud.features)]
    for columns, table in tables:
        for i, name in enumerate(columns if table is not None else ()):
            rows[name] = table[:, i].detach().cpu().numpy()  # type: ignore[index]
    if cloud.colors is not None:
        red, green, blue = color_bytes(cloud.colors).astype(np.uint32).T
        rows["rgb"] = (red << 16 | green << 8 | blue).view(np.float32)
    lines = [
        "# .PCD v0.7 - Point Cloud Data file format",
        "VERSION 0.7",
        f"FIELDS {' '.join(name for name, _ in fields)}",
        f"SIZE {' '.join(kind[2] for _, kind in fields)}",
        f"TYPE {' '.join('F' for _ in fields)}",
        f"COUNT {' '.join('1' for _ in fields)}",
        f"WIDTH {len(cloud)}",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {len(cloud)}",
        "DATA binary",
    ]
    return ("\n".join(lines) + "\n").encode("ascii") + rows.tobytes()
