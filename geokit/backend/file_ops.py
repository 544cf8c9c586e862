"""What reads files natively: numbers as text, .obj and ascii .stl, rows with lists, polygons cut into triangles.

Plain functions of numpy arrays, no operators: nothing here has a gradient or another device. Each reports where in the
input it stopped, and the caller makes the sentence.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geokit.backend.native import _native

_COUNTERS: dict[str | None, int] = {
    None: 0,
    **{"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "i8": 7, "u8": 8, "f4": 9, "f8": 10},
}
OBJ_FAULTS = (
    "",
    "something other than a number",
    "too few numbers",
    "a face that is not made of indices",
    "the index 0, but they count from 1",
    "an index that names nothing",
    "a face that cannot be counted",
)
STL_FAULTS = (
    "",
    "an unexpected word",
    "something other than three numbers",
    "a facet that has not three corners",
    "its end before endsolid",
)
_EFFORT_PER_CORNER = 200


class ObjContent(NamedTuple):
    """The tables of an .obj: what it lists (numbers in float64) and the corners of its faces, indices from 0.

    vertices (V, 3); colors (V, 3) when every vertex has them; uvs (U, 2); normals (N, 3); lengths (F,) corners a face;
    corners, corner_uvs, corner_normals (C,) int32, the last two None unless every corner names one.
    """

    vertices: np.ndarray
    colors: np.ndarray | None
    uvs: np.ndarray
    normals: np.ndarray
    lengths: np.ndarray
    corners: np.ndarray
    corner_uvs: np.ndarray | None
    corner_normals: np.ndarray | None


def as_bytes(data: bytes | memoryview | np.ndarray) -> np.ndarray:
    """A view of bytes as the native layer takes them."""
    return data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)


def count_words(text: bytes | np.ndarray) -> int:
    """How many words there are between white space."""
    return int(_native.count_words(as_bytes(text)))


def parse_numbers(text: bytes | np.ndarray, most: int | None = None) -> tuple[np.ndarray, int, bool]:
    """Numbers between white space as float64, whatever the locale, `nan` and `inf` among them.

    most: stop after so many. Returns the numbers, the place in bytes where reading stopped and whether everything asked
    for was read: False means that the word at that place is no number.
    """
    data = as_bytes(text)
    wanted = count_words(data) if most is None else most
    numbers = np.empty(wanted, np.float64)
    count, place = _native.parse_numbers(data, numbers)
    return numbers[:count], int(place), count == wanted or place == len(data)


def without_comments(text: bytes) -> bytes:
    """The text with blanks from every '#' to the end of its line."""
    data = np.frombuffer(text, np.uint8).copy()
    _native.blank_comments(data)
    return data.tobytes()


def parse_face_lines(text: bytes | np.ndarray, faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Lines that begin with a count of corners: (lengths (F,) int32, corners (N,) float64), the rest passed over.

    F is less than `faces` where line F has no whole count, fewer words or something other than a number.
    """
    data = as_bytes(text)
    lengths, items = np.empty(faces, np.int32), np.empty(count_words(data), np.float64)
    read, count = _native.parse_face_lines(data, lengths, items)
    return lengths[:read], items[:count]


def parse_obj(text: bytes | np.ndarray) -> tuple[ObjContent | None, int, int]:
    """The content of an .obj, or None with the fault (a place in `OBJ_FAULTS`) and its line, from 1."""
    data = as_bytes(text)
    counts = np.empty(8, np.int64)
    _native.count_obj(data, counts)
    vertices, colored, uvs, normals, faces, corners, with_uv, with_normal = map(int, counts)

    def places(wanted: bool) -> np.ndarray | None:
        return np.empty(corners, np.int32) if wanted else None

    content = ObjContent(
        np.empty((vertices, 3)),
        np.empty((vertices, 3)) if vertices and colored == vertices else None,
        np.empty((uvs, 2)),
        np.empty((normals, 3)),
        np.empty(faces, np.int32),
        np.empty(corners, np.int32),
        places(0 < corners == with_uv),
        places(0 < corners == with_normal),
    )
    fault, line = _native.parse_obj(data, counts, *content)
    return (None if fault else content), int(fault), int(line)


def parse_stl(text: bytes | np.ndarray, most_corners: int) -> tuple[np.ndarray, int, int]:
    """The corners (3 F, 3) of an ascii .stl, float64, the fault (a place in `STL_FAULTS`) and its place in bytes."""
    corners = np.empty((most_corners, 3))
    fault, count, place = _native.parse_stl(as_bytes(text), corners)
    return corners[:count], int(fault), int(place)


class RowLayout:
    """Rows of values of which some are lists, one property after the other.

    counters: the numpy type code that counts each list, None for a single value. items: the type code of the values.
    """

    def __init__(self, counters: Sequence[str | None], items: Sequence[str], swapped: bool) -> None:
        self._counters = np.array([_COUNTERS[code] for code in counters], np.int32)
        self._item_bytes = np.array([int(code[1:]) for code in items], np.int64)
        self._swapped = swapped

    def measure(self, data: np.ndarray, place: int, count: int) -> tuple[int, int, np.ndarray, np.ndarray, np.ndarray]:
        """(rows that fit, where they end, totals, shortest, longest) with one value a property in the last three."""
        found = [np.empty(len(self._counters), np.int64) for _ in range(3)]
        rows, end = _native.measure_rows(data, place, count, self._counters, self._item_bytes, self._swapped, *found)
        return int(rows), int(end), found[0], found[1], found[2]

    def copy(
        self, data: np.ndarray, place: int, count: int, property_: int, total: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lengths (count,) int32 and the values, as bytes, of one property of rows that were measured."""
        lengths = np.empty(count, np.int32)
        items = np.empty(total * int(self._item_bytes[property_]), np.uint8)
        _native.copy_rows(
            data, place, count, self._counters, self._item_bytes, self._swapped, property_, lengths, items
        )
        return lengths, items


def merge_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal rows of floats (N, D) become one, -0 being 0: (first (M,), ids (N,)) int64, in the order they come."""
    rows = np.ascontiguousarray(rows + 0.0)
    words = rows.view(np.uint32).reshape(len(rows), rows.shape[1] * rows.itemsize // 4)
    table = np.full(1 << max(2 * len(rows) - 1, 1).bit_length(), -1, np.int32)
    ids, firsts = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    seed = int.from_bytes(os.urandom(8), "little")  # so that nobody can prepare rows that collide
    different = int(_native.merge_rows(words, seed, table, ids, firsts))
    return firsts[:different], ids


def triangulate_polygons(lengths: np.ndarray, items: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, int]:
    """Polygons of `lengths` (F,) corners, `items` (N,) naming the vertices (V, 3) of each, cut into triangles.

    A polygon is cut as a fan from its first corner where that turns no triangle over, a quadrilateral otherwise along
    its other diagonal, a larger one by clipping ears (Meisters 1975). Returns the corners of the triangles (T, 3) int64
    as places in `items`, and how many polygons were left fans because clipping took too long.
    """
    cut = lengths > 2
    made = int(lengths.sum(dtype=np.int64, where=cut)) - 2 * int(np.count_nonzero(cut))
    triangles = np.empty((made, 3), np.int64)
    unfinished = _native.triangulate_polygons(
        np.ascontiguousarray(lengths, np.int32),
        np.ascontiguousarray(items, np.int32),
        np.ascontiguousarray(vertices, np.float64),
        _EFFORT_PER_CORNER * len(items) + 1_000_000,
        triangles,
    )
    return triangles, int(unfinished)
