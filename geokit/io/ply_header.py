"""The header of a .ply file: its elements and their properties."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geokit.errors import UnreadableFile

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


@dataclass(frozen=True)
class Header:
    """order: '=' for ascii, '<' or '>' for binary. info: the lines of obj_info. body: where the data begin."""

    order: str
    ascii: bool
    elements: tuple[Element, ...]
    comments: tuple[str, ...]
    info: tuple[str, ...]
    body: int

    def element(self, name: str) -> Element | None:
        """The element of that name, if there is one."""
        return next((e for e in self.elements if e.name == name), None)


def parse_header(path: Path, data: bytes) -> Header:
    """The header of `data`; `UnreadableFile` naming `path` and the line when it is none."""
    if not data.startswith(b"ply"):
        raise UnreadableFile(f"{path} is not a .ply file (it does not begin with 'ply'); check what it is")
    order, elements, comments, info, place = None, [], [], [], 0
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
            if not words or words[0] == "ply":
                continue
            if words[0] == "obj_info":
                info.append(line.removeprefix("obj_info").strip())
            elif words[0] == "comment":
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
    return Header(order, order == "=", built, tuple(comments), tuple(info), place)


def _check_header(path: Path, elements: Sequence[Element]) -> None:
    called = [element.name for element in elements]
    if len(set(called)) < len(called):
        twice = next(name for name in called if called.count(name) > 1)
        raise UnreadableFile(f"{path} has two elements called {twice!r}; export the file again")
    for element in elements:
        names = [p.name for p in element.properties]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UnreadableFile(f"{path} has two properties called {twice!r}; export the file again")
        if element.count < 0:
            raise UnreadableFile(f"{path} promises {element.count} of {element.name}; export the file again")
