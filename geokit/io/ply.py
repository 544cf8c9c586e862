"""The Stanford .ply container, read by property name.

Our own lines, because the known library is GPL: header, ascii and both binary byte orders, any types of numbers and of
lists, elements in any order. The count of an element is compared with the bytes that follow before anything is
allocated. What an element means is for the readers of meshes, points and splats.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geokit.errors import UnreadableFile
from geokit.io.ply_body import Table, read_element
from geokit.io.ply_header import Element, Header, parse_header
from geokit.io.safe import read_bytes

__all__ = ["parse_header", "read_vertex_table", "read_vertices", "vertex_element", "write_elements", "write_vertices"]


def read_vertices(
    path: str | Path, required: Sequence[str], what: str, data: bytes | None = None
) -> dict[str, np.ndarray]:
    """The single values of the element `vertex`, each (N,) in native byte order, in the order of the file.

    required: names that must be there. what: what the file is expected to hold, for the message that one is missing.
    data: the content of the file where it has been read already.
    """
    table = read_vertex_table(path, required, what, data)
    return {name: table.column(name) for name in table.names()}


def read_vertex_table(path: str | Path, required: Sequence[str], what: str, data: bytes | None = None) -> Table:
    """As `read_vertices`, the columns still to be taken: `Table.columns` is faster for some that stand together."""
    path = Path(path)
    data = read_bytes(path, ".ply file") if data is None else data
    header = parse_header(path, data)
    vertex = vertex_element(path, header, required, what)
    table = read_element(path, data, header, vertex.name)
    assert table is not None
    return table


def vertex_element(path: Path, header: Header, required: Sequence[str], what: str) -> Element:
    """The element `vertex` of a header, once it has the properties `required`."""
    vertex = header.element("vertex")
    if vertex is None:
        raise UnreadableFile(f"{path} has no element 'vertex'; it holds no {what}")
    names = {p.name for p in vertex.properties if p.counted_by is None}
    missing = [name for name in required if name not in names]
    if missing:
        raise UnreadableFile(
            f"{path} is missing the properties {', '.join(missing)} of {what} (it has "
            f"{', '.join(sorted(names)[:20]) or 'none'}); "
            "export it again from a program that writes them"
        )
    return vertex


_NAMES = {"f4": "float", "f8": "double", "u1": "uchar", "i4": "int"}


def write_vertices(columns: dict[str, np.ndarray], comments: Sequence[str] = ()) -> bytes:
    """A binary little-endian .ply of one element `vertex`; the columns (N,) keep order and type (float32 or uint8)."""
    lines, rows = _written("vertex", columns)
    return _header([*(f"comment {c}" for c in comments), *lines]) + rows


def write_elements(columns: dict[str, np.ndarray], lists: dict[str, np.ndarray], comments: Sequence[str] = ()) -> bytes:
    """As `write_vertices`, followed by an element `face` of lists, each (F, length) of float32, float64 or int32."""
    lines, rows = _written("vertex", columns)
    face_lines, face_rows = _written("face", lists)
    return _header([*(f"comment {c}" for c in comments), *lines, *face_lines]) + rows + face_rows


def _header(lines: Sequence[str]) -> bytes:
    return ("\n".join(["ply", "format binary_little_endian 1.0", *lines, "end_header"]) + "\n").encode("ascii")


def _written(element: str, columns: dict[str, np.ndarray]) -> tuple[list[str], bytes]:
    """The lines of the header and the rows of one element; columns of two dimensions are lists."""
    fields: list[tuple] = []
    lines = [f"element {element} {len(next(iter(columns.values())))}"]
    for name, column in columns.items():
        kind, little = _NAMES[column.dtype.str[1:]], column.dtype.newbyteorder("<")
        if column.ndim == 1:
            lines.append(f"property {kind} {name}")
            fields.append((name, little))
        else:
            lines.append(f"property list uchar {kind} {name}")
            fields += [(f" {name}", "u1"), (name, little, (column.shape[1],))]
    rows = np.empty(len(next(iter(columns.values()))), np.dtype(fields))
    for name, column in columns.items():
        rows[name] = column
        if column.ndim == 2:
            rows[f" {name}"] = column.shape[1]
    return lines, rows.tobytes()
