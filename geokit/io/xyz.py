"""Points as text: .xyz, .txt, .csv, .pts, .asc.

A line is a point: x y z, then colours, normals and other numbers, separated by spaces, tabs, commas or semicolons. What
the columns are is read from a line of names (`//X Y Z R G B` as CloudCompare writes it, or the first line of a .csv);
without one, three columns of whole numbers up to 255 (or numbers in [0, 1]) are colours and three of unit length are
a normal. A first line with a single number (.pts) is the count of points. `#` and `//` begin comments.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from geokit.backend.file_ops import parse_numbers
from geokit.errors import UnreadableFile
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.point_cloud import PointCloud
from geokit.io.point_columns import PointColumns, check_width
from geokit.io.safe import read_bytes
from geokit.io.vertex_values import decimals

_PIECE = 4 << 20  # bytes parsed together
_HEADER = 1 << 16  # bytes looked at for names and a count
_ROWS = 1 << 16  # rows written together
_SAMPLE = 4096  # rows that tell what columns are
_TO_SPACES = bytes.maketrans(b",;\t\r", b"    ")
_COMMENT = re.compile(rb"(?:#|//)[^\n]*")
_NAMES = {
    "x": "x", "y": "y", "z": "z", "px": "x", "py": "y", "pz": "z", "east": "x", "easting": "x", "north": "y",
    "northing": "y", "height": "z", "elevation": "z", "r": "red", "g": "green", "b": "blue", "red": "red",
    "green": "green", "blue": "blue", "rf": "red", "gf": "green", "bf": "blue", "nx": "nx", "ny": "ny", "nz": "nz",
    "normal_x": "nx", "normal_y": "ny", "normal_z": "nz", "normalx": "nx", "normaly": "ny", "normalz": "nz",
}  # fmt: skip
_COLORS, _NORMALS = ("red", "green", "blue"), ("nx", "ny", "nz")


def read_xyz(path: Path) -> PointColumns:
    """The columns of a text of points; `UnreadableFile` naming the line where it is no table of numbers."""
    data = read_bytes(path, "text of points")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:_HEADER]:
        raise UnreadableFile(f"{path} is no text of points (it holds bytes of zero); check what it is")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")  # line ends of old Macs
    names, start = _header(path, data)
    table = _table(path, data, start)
    if len(table) and table.shape[1] < 3:
        raise UnreadableFile(
            f"{path} has {table.shape[1]} numbers a line, wanted at least 3 (x y z); check that it is a text of points"
        )
    check_width(path, table.shape[1])
    if not names or len(names) != table.shape[1]:
        names = guess_columns(table)
    return columns_by_name({name: table[:, i] for i, name in enumerate(names)})


def columns_by_name(named: dict[str, np.ndarray]) -> PointColumns:
    """Columns that are called x y z, red green blue, nx ny nz; the others are extras."""
    points = decimals(np.stack([named[name] for name in "xyz"], axis=1))
    colors, normals = (
        np.stack([named[name] for name in wanted], axis=1) if all(name in named for name in wanted) else None
        for wanted in (_COLORS, _NORMALS)
    )
    used = {"x", "y", "z"} | set(_COLORS if colors is not None else ()) | set(_NORMALS if normals is not None else ())
    return PointColumns(points, colors, normals, {name: v for name, v in named.items() if name not in used})


def guess_columns(table: np.ndarray) -> list[str]:
    """Names for the columns of `table` (N, C), C >= 3, by the values in the first few thousand rows."""
    sample = table[:_SAMPLE]
    width = table.shape[1]
    names = ["x", "y", "z"]
    while len(names) < width:
        place = len(names)
        three = sample[:, place : place + 3]
        if three.shape[1] == 3 and "nx" not in names and _unit_length(three):
            names += _NORMALS
        elif three.shape[1] == 3 and "red" not in names and _color_like(three, sample[:, place + 3 :]):
            names += _COLORS
        else:
            names.append(f"scalar_{place - 2}")
    return names


def _unit_length(three: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(three, axis=1)
        unit = abs(lengths - 1) < 0.01
        axes = bool((three == np.round(three)).all() and (three >= 0).all())  # 1 0 0 everywhere may be a colour
        return bool(unit.mean() > 0.9 and (unit | (lengths == 0)).all() and not axes) if len(three) else False


def _color_like(three: np.ndarray, rest: np.ndarray) -> bool:
    """Whole numbers up to 255; or numbers in [0, 1] where nothing, or another three columns, follow.

    Of four columns the first is an intensity (x y z i r g b), unless the last is the same everywhere (an alpha).
    """
    if not len(three) or not bool((three >= 0).all()) or (rest.shape[1] == 1 and bool((rest != rest[0]).any())):
        return False
    whole = bool((three == np.round(three)).all())
    return bool(three.max() <= (255 if whole else 1)) and (whole or rest.shape[1] in (0, 1, 3))


def _header(path: Path, data: bytes) -> tuple[list[str], int]:
    """The names of the columns, where a line before the first point tells them, and where the points begin.

    Only the first 64 kB are looked at line by line; empty lines and comments after them are left to the parser.
    """
    names: list[str] = []
    place, counted = 0, False
    while place < min(len(data), _HEADER):
        end = data.find(b"\n", place, place + _HEADER)
        end = min(len(data), place + _HEADER) if end < 0 else end
        line = data[place:end].decode("utf-8", "replace").strip()
        words = re.split(r"[\s,;]+", line.lstrip("#/ "))
        bare = re.split("#|//", line)[0]
        if bare and _numbers(bare):
            if _decimal_commas(line):
                raise UnreadableFile(
                    f"{path} writes decimal commas ({line[:40]!r}), which cannot be told from separators; "
                    "export it with decimal points"
                )
            if len(bare.split()) > 1 or len(words) > 1 or counted:
                break
            counted = True
        elif line:
            found = [_NAMES.get(word.strip('"').lower(), word.strip('"')) for word in words]
            if all(found.count(name) == 1 for name in "xyz") and len(set(found)) == len(found):
                names = found
            elif not line.startswith(("#", "//")):
                raise _not_numbers(path, data, place, line)
        place = end + 1
    return names, min(place, len(data))


def _numbers(line: str) -> bool:
    try:
        return bool([float(word) for word in re.split(r"[\s,;]+", line.strip(" \t,;"))])
    except ValueError:
        return False


def _decimal_commas(line: str) -> bool:
    words = [word for word in (line.split(";") if ";" in line else line.split()) if word]
    return len(words) >= 3 and all(re.fullmatch(r"\s*[-+]?\d+,\d+\s*", word) for word in words)


def _not_numbers(path: Path, data: bytes, place: int, line: str) -> UnreadableFile:
    number = data.count(b"\n", 0, place) + 1
    return UnreadableFile(
        f"{path}, line {number}: {line[:60]!r} is not a line of numbers; remove it, or check that the file holds points"
    )


def _table(path: Path, data: bytes, start: int) -> np.ndarray:
    """(N, C) float64, from the lines after `start`, piece by piece, so that little but the numbers is in memory."""
    table, filled, place = np.empty((0, 3)), 0, start
    while place < len(data):
        end = data.rfind(b"\n", place, place + _PIECE) + 1
        if end == 0:
            end = data.find(b"\n", place) + 1 or len(data)
        piece = data[place:end]
        rows = _rows(path, data, place, piece, table.shape[1] if filled else None)
        if not filled and len(rows):
            most = data.count(b"\n", place) + 1
            table = np.empty((most, rows.shape[1]))
        table[filled : filled + len(rows)] = rows
        filled += len(rows)
        place = end
    return table[:filled]


def _rows(path: Path, data: bytes, place: int, piece: bytes, width: int | None) -> np.ndarray:
    """The numbers of whole lines; a later line with a single number (.pts of several scans) is a count and left out."""
    clean = piece
    if b"#" in clean or b"//" in clean:
        clean = _COMMENT.sub(b"", clean)
    clean = clean.translate(_TO_SPACES)
    if not clean.strip():
        return np.empty((0, width or 3))
    rows = _even_rows(clean)
    if rows is None and path.suffix.lower() == ".pts":
        clean = re.sub(rb"(?m)^[ ]*\d+[ ]*$", b"", clean)
        rows = _even_rows(clean) if clean.strip() else np.empty((0, width or 3))
    if rows is None or (width is not None and rows.shape[1] != width):
        raise _bad_line(path, data, place, clean, width)
    return rows


def _even_rows(text: bytes) -> np.ndarray | None:
    """The numbers of lines that all have the same count of them; None for other text. Blank lines do not count."""
    data = np.frombuffer(text, np.uint8)
    numbers, _, complete = parse_numbers(data)
    if not complete:
        return None
    solid = data > ord(" ")
    begins = solid.copy()
    begins[1:] &= ~solid[:-1]
    starts = np.append(0, np.flatnonzero(data == ord("\n")) + 1)
    counts = np.add.reduceat(begins.view(np.uint8), starts[starts < len(data)], dtype=np.int32)
    counts = counts[counts > 0]
    if not len(counts) or (counts != counts[0]).any() or len(counts) * int(counts[0]) != len(numbers):
        return None
    return numbers.reshape(len(counts), -1)


def _bad_line(path: Path, data: bytes, place: int, clean: bytes, width: int | None) -> UnreadableFile:
    """Which line it is that is not as the others."""
    number = data.count(b"\n", 0, place)
    for line in clean.split(b"\n"):
        number += 1
        words = line.split()
        text = line.decode("utf-8", "replace").strip()[:60]
        if not words:
            continue
        if not _numbers(text[:60]) and not _numbers(line.decode("latin1")):
            return UnreadableFile(f"{path}, line {number}: {text!r} is not a line of numbers; correct or remove it")
        width = len(words) if width is None else width
        if len(words) != width:
            return UnreadableFile(
                f"{path}, line {number}: {len(words)} numbers where the lines before have {width}; the file is "
                "truncated or no table of points: export it again"
            )
    return UnreadableFile(f"{path} is no table of numbers near line {number}; export it again")


def write_xyz(cloud: PointCloud, names: Sequence[str] = (), ending: str = ".xyz") -> bytes:
    """The text of a cloud: a line of names where there is more than x y z, then one line a point.

    Coordinates have as many digits as their type needs to be read back exactly; colours are bytes. A .csv has commas
    and its names without a comment mark, a .pts begins with the count and has no names. names: of the features.
    """
    separator = "," if ending == ".csv" else " "
    titles, columns, formats = ["x", "y", "z"], [cloud.points.detach().cpu().numpy()], ["%.9g"] * 3
    if cloud.points.dtype == torch.float64:
        formats = ["%.17g"] * 3
    if cloud.colors is not None:
        titles += _COLORS
        columns.append(color_bytes(cloud.colors))
        formats += ["%d"] * 3
    if cloud.normals is not None:
        titles += _NORMALS
        columns.append(cloud.normals.detach().cpu().numpy())
        formats += [formats[0]] * 3
    if cloud.features is not None:
        titles += names
        columns.append(cloud.features.detach().cpu().numpy())
        formats += [formats[0]] * cloud.features.shape[1]
    out = io.BytesIO()
    if ending == ".pts":
        out.write(f"{len(cloud)}\n".encode())
    elif ending == ".csv" or len(titles) > 3:
        out.write((("" if ending == ".csv" else "//") + separator.join(titles) + "\n").encode())
    row = separator.join(formats) + "\n"
    for start in range(0, len(cloud), _ROWS):
        parts = [column[start : start + _ROWS].astype(np.float64) for column in columns]
        table = np.concatenate(parts, axis=1)
        out.write(((row * len(table)) % tuple(table.ravel().tolist())).encode())
    return out.getvalue()
