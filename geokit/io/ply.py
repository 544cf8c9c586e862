"""The Stanford .ply container, read by property name.

Our own hundred lines, because the known library is GPL: header, ascii and both binary byte orders, any scalar types in
any order. Lists (faces) are stepped over. The count of an element is compared with the bytes that follow before
anything is allocated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geokit.errors import UnreadableFile
from geokit.io.safe import check_count, read_bytes

_TYPES = {
    **{
        "char": "i1",
        "uchar": "u1",
        "short": "i2",
        "ushort": "u2",
        "int": "i4",
        "uint": "u4",
        "float": "f4",
        "double": "f8",
    },
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float32": "f4", "float64": "f8", "int64": "i8", "uint64": "u8"},
}
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class Property:
    """name and numpy type code; `counted_by` is the type of a list's length, None for a scalar."""

    name: str
    type: str
    counted_by: str | None = None


@dataclass(frozen=True)
class Element:
    """`count` rows of the same properties."""

    name: str
    count: int
    properties: tuple[Property, ...]

    @property
    def flat(self) -> bool:
        """Whether every row has the same size."""
        return all(p.counted_by is None for p in self.properties)

    def dtype(self, order: str) -> np.dtype:
        """The structured dtype of one row of scalars."""
        return np.dtype([(p.name, order + p.type) for p in self.properties])


@dataclass(frozen=True)
class Header:
    """order: '=' for ascii, '<' or '>' for binary. body: where the data begin, in bytes."""

    order: str
    ascii: bool
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    body: int


def parse_header(path: Path, data: bytes) -> Header:
    """The header of `data`; `UnreadableFile` naming `path` and the line when it is none."""
    if not data.startswith(b"ply"):
        raise UnreadableFile(f"{path} is not a .ply file (it does not begin with 'ply'); check what it is")
    order, elements, comments, place = None, [], [], 0
    properties: list[list[Property]] = []
    while True:
        end = data.find(b"\n", place, place + _LONGEST_HEADER)
        if end < 0 or place > _LONGEST_HEADER:
            raise UnreadableFile(f"{path} has no end_header; the file is truncated or no .ply: export it again")
        line = data[place:end].decode("ascii", "replace").strip()
        place = end + 1
        words = line.split()
        if line == "end_header":
            break
        try:
            if not words or words[0] in ("ply", "obj_info"):
                continue
            if words[0] == "comment":
                comments.append(line.removeprefix("comment").strip())
            elif words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append((words[1], int(words[2])))
                properties.append([])
            elif words[0] == "property" and words[1] == "list":
                properties[-1].append(Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
            elif words[0] == "property":
                swapped = words[1] not in _TYPES  # early files of Stanford put the name first
                properties[-1].append(Property(words[2 - swapped], _TYPES[words[1 + swapped]]))
            else:
                raise KeyError(words[0])
        except (KeyError, IndexError, ValueError) as error:
            raise UnreadableFile(
                f"{path} has a header line that is not understood: {line[:80]!r}; export the file again"
            ) from error
    if order is None:
        raise UnreadableFile(f"{path} names no format in its header; export the file again")
    built = tuple(Element(name, count, tuple(found)) for (name, count), found in zip(elements, properties))
    _check_header(path, built)
    return Header(order, order == "=", built, tuple(comments), place)


def _check_header(path: Path, elements: Sequence[Element]) -> None:
    for element in elements:
        names = [p.name for p in element.properties]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UnreadableFile(f"{path} has two properties called {twice!r}; export the file again")
        if element.count < 0:
            raise UnreadableFile(f"{path} promises {element.count} of {element.name}; export the file again")


def read_vertices(
    path: str | Path, required: Sequence[str], what: str, data: bytes | None = None
) -> dict[str, np.ndarray]:
    """The scalar columns of the element `vertex`, each (N,) in native byte order, in the order of the file.

    required: names that must be there. what: what the file is expected to hold, for the message that one is missing.
    data: the content of the file where it has been read already.
    """
    path = Path(path)
    data = read_bytes(path, ".ply file") if data is None else data
    header = parse_header(path, data)
    vertex = next((e for e in header.elements if e.name == "vertex"), None)
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
    if not vertex.flat:
        raise UnreadableFile(f"{path} has lists in its vertices, which {what} do not have; export it again")
    before = header.elements[: header.elements.index(vertex)]
    if header.ascii:
        return _ascii_columns(path, data, header.body, before, vertex)
    return _binary_columns(path, data, header, before, vertex)


def _binary_columns(
    path: Path, data: bytes, header: Header, before: Sequence[Element], vertex: Element
) -> dict[str, np.ndarray]:
    place = header.body
    for element in before:
        place = _end(path, data, place, element, header.order)
    row = vertex.dtype(header.order)
    check_count(path, "vertices", vertex.count, row.itemsize, len(data) - place)
    rows = np.frombuffer(data, row, vertex.count, place)
    return {name: np.ascontiguousarray(rows[name], rows[name].dtype.newbyteorder("=")) for name in row.names or ()}


def _end(path: Path, data: bytes, place: int, element: Element, order: str) -> int:
    """Where `element` ends that begins at `place`."""
    sizes = [np.dtype(p.type).itemsize for p in element.properties]
    least = sum(np.dtype(p.counted_by or p.type).itemsize for p in element.properties)
    check_count(path, f"of {element.name}", element.count, max(least, 1), len(data) - place)
    if element.flat:
        return place + element.count * sum(sizes)
    for _ in range(element.count):
        for p, size in zip(element.properties, sizes):
            length = 1
            if p.counted_by is not None:
                counter = np.dtype(order + p.counted_by)
                check_count(path, f"of {element.name}", 1, counter.itemsize, len(data) - place)
                length = int(np.frombuffer(data, counter, 1, place)[0])
                place += counter.itemsize
            check_count(path, f"of {element.name}.{p.name}", length, size, len(data) - place)
            place += length * size
    return place


def _ascii_columns(
    path: Path, data: bytes, place: int, before: Sequence[Element], vertex: Element
) -> dict[str, np.ndarray]:
    for element in before:
        for _ in range(min(element.count, len(data))):
            place = data.find(b"\n", place) + 1
            if place == 0:
                raise UnreadableFile(f"{path} ends before its vertices; the file is truncated: export it again")
    width = len(vertex.properties)
    needed = vertex.count * width
    check_count(path, "vertices", vertex.count, max(2 * width, 1), len(data) - place + 1)
    try:
        numbers = np.fromstring(data[place:].decode("ascii"), np.float64, needed, sep=" ") if needed else np.zeros(0)
    except (ValueError, DeprecationWarning) as error:
        raise UnreadableFile(
            f"{path} has something other than numbers among its vertices ({error}); export it again"
        ) from error
    if len(numbers) < needed:
        raise UnreadableFile(
            f"{path} promises {vertex.count} vertices but has numbers for {len(numbers) // width}; export it again"
        )
    table = numbers.reshape(vertex.count, width)
    return {p.name: np.ascontiguousarray(table[:, i]) for i, p in enumerate(vertex.properties)}


def write_vertices(columns: dict[str, np.ndarray], comments: Sequence[str] = ()) -> bytes:
    """A binary little-endian .ply of one element `vertex`; the columns (N,) keep order and type (float32 or uint8)."""
    names = {np.dtype(np.float32): "float", np.dtype(np.uint8): "uchar"}
    count = len(next(iter(columns.values())))
    rows = np.empty(count, np.dtype([(name, column.dtype.newbyteorder("<")) for name, column in columns.items()]))
    for name, column in columns.items():
        rows[name] = column
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {c}" for c in comments), f"element vertex {count}"]
    lines += [f"property {names[column.dtype]} {name}" for name, column in columns.items()]
    return ("\n".join([*lines, "end_header"]) + "\n").encode("ascii") + rows.tobytes()
