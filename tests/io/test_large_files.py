"""Hostile files of some megabytes: a sentence or a shape, soon, in less than ten times their size and 64 MB.

What is all result has no place here: a polygon of n corners named by two bytes each is n - 2 triangles of 24 bytes.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.io.builders import ply_bytes
from tests.io.fuzz_worker import broken_promise

SIZE = 8_000_000
VERTEX = ["element vertex 1", "property float x", "property float y", "property float z"]
ORIGIN = [("3f", (0, 0, 0))]


def small_lists(element: str, item: str = "int") -> Callable[[], bytes]:
    """As many rows of an empty list as there are bytes."""
    info = [f"obj_info num_cols {SIZE // 1000}", "obj_info num_rows 1000"]
    lines = [*info, *VERTEX, f"element {element} {SIZE}", f"property list uchar {item} vertex_indices"]
    return lambda: ply_bytes("binary_little_endian", lines, ORIGIN) + bytes(SIZE)


def text_lists(word: bytes, count: int) -> Callable[[], bytes]:
    lines = [*VERTEX, f"element face {count}", "property list uchar int vertex_indices"]
    return lambda: ply_bytes("ascii", lines, ORIGIN) + word * (SIZE // len(word))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty_faces.ply": small_lists("face"),
    "empty_cells.ply": small_lists("range_grid"),
    "empty_others.ply": small_lists("others"),
    "short_numbers.ply": text_lists(b"0 ", SIZE // 2),
    "faces_missing.ply": text_lists(b"3 0 0 0\n", SIZE // 8 + 9),
    "no_vertices.obj": lambda: b"f 1 1 1\n" * (SIZE // 8),
    "empty_lines.obj": lambda: b"v\n" * (SIZE // 2),
    "short_faces.obj": lambda: b"v 0 0 0\n" + b"f 1\n" * (SIZE // 4),
    "one_line.obj": lambda: b"v 0 0 " + b"1" * SIZE,
    "materials.obj": lambda: b"v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\n" + b"usemtl a\n" * (SIZE // 9),
    "words.stl": lambda: b"solid a\n" + b"vertex" * (SIZE // 6),
    "facets.stl": lambda: b"solid a\n" + b"facet normal 0 0 0 outer loop vertex 0 0 0" * (SIZE // 42),
    "count.stl": lambda: bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(SIZE),
    "empty_faces.off": lambda: b"OFF\n1 %d 0\n0 0 0\n" % (SIZE // 2) + b"0\n" * (SIZE // 2),
    "colored_faces.off": lambda: b"OFF\n1 %d 0\n0 0 0\n" % (SIZE // 4) + b"0 5\n" * (SIZE // 4),
    "comments.off": lambda: b"OFF\n" + b"#\n" * (SIZE // 2),
    "small_values.gltf": lambda: b'{"asset":{"version":"2.0"},"extras":[' + b"{}," * (SIZE // 3) + b"{}]}",
    "numbers.gltf": lambda: b'{"asset":{"version":"2.0"},"extras":[' + b"1," * (SIZE // 2) + b"1]}",
    "deep.gltf": lambda: b'{"a":' * (SIZE // 5),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_of_some_megabytes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name]())
    assert broken_promise(tmp_path / name) is None
