"""Object File Format (.off): vertices and polygons as text.

The header is any of OFF, COFF (colours at vertices), NOFF (normals), STOFF (places in a texture, passed over) and their
combinations; a file that begins with the three counts at once is read as OFF. Colours after the corners of a face are
passed over: a `Mesh` has colours at vertices. Polygons are cut as `triangulate_polygons` says. Four dimensions (4OFF,
nOFF) and the binary form are refused.
"""

import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from geokit.backend.file_ops import as_bytes, parse_face_lines, parse_numbers, without_comments
from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.mesh_content import MeshContent, check_indices, cut_polygons
from geokit.io.safe import check_count
from geokit.io.vertex_values import unit_colors

_KEYWORD = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF\b")


def read_off(path: Path, data: bytes) -> MeshContent:
    """The mesh in `data`, the content of `path`."""
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    if b"#" in data:
        data = without_comments(data)
    keyword = _KEYWORD.match(data)
    if keyword is None and not re.match(rb"\s*\d+\s+\d+\s+\d+\s", data):
        raise UnreadableFile(f"{path} is no .off file (it does not begin with OFF); check what it is")
    textured, colored, normal, four, many = keyword.groups() if keyword else (None,) * 5
    begin = keyword.end() if keyword else 0
    if four or many or data[begin : begin + 20].split()[:1] == [b"BINARY"]:
        raise UnreadableFile(
            f"{path} is a form of .off that is not read (4OFF, nOFF or binary); export it as plain OFF"
        )
    counts, place, complete = parse_numbers(_from(data, begin), 3)
    if not complete or len(counts) < 3 or not all(0 <= c < 2**53 and c == np.floor(c) for c in counts):
        raise UnreadableFile(f"{path} does not begin with the counts of vertices, faces and edges; export it again")
    vertices, faces = int(counts[0]), int(counts[1])
    begin += place
    return _read_body(path, data, begin, vertices, faces, bool(colored), bool(normal), bool(textured))


def _read_body(
    path: Path, data: bytes, begin: int, count: int, faces: int, colored: bool, normal: bool, textured: bool
) -> MeshContent:
    least = 3 + 3 * normal + 3 * colored + 2 * textured
    check_count(path, "vertices", count, 2 * least, len(data) - begin + 1)
    check_count(path, "faces", faces, 2, len(data) - begin + 1)
    width = _columns(data, begin, least, colored) if count else least
    check_count(path, "vertices", count, 2 * width, len(data) - begin + 1)
    numbers, place, complete = parse_numbers(_from(data, begin), count * width)
    if not complete or len(numbers) < count * width:
        _refuse(path, data, begin + place, f"{count} vertices", len(numbers) // width)
    table = numbers.reshape(count, width)
    content = MeshContent(np.ascontiguousarray(table[:, :3]), np.empty((0, 3), np.int64), exact=False)
    if normal:
        content.normals = table[:, 3:6]
    if colored:
        at = 3 + 3 * normal
        content.colors = unit_colors(path, table[:, at : at + 3], np.float32)
    elif (
        width in (6, 7) and not normal and not textured
    ):  # colours although the header does not say so, as MeshLab reads
        content.colors = unit_colors(path, table[:, 3:6], np.float32)
    begin += place
    lengths, items = _face_lists(path, data, begin, faces)
    check_indices(path, items, count)
    content.faces = cut_polygons(path, lengths, items, content.vertices)[0]
    return content


def _columns(data: bytes, begin: int, least: int, colored: bool) -> int:
    """How many numbers the first vertex has: an alpha may follow the colour, a colour the place."""
    line = next((line for line in data[begin : begin + 4096].splitlines() if line.strip()), b"")
    words = len(line.split())
    return words if words in ((least, least + 1) if colored else (least, least + 3, least + 4)) else least


def _from(data: bytes, begin: int) -> np.ndarray:
    return as_bytes(data)[begin:]


def _face_lists(path: Path, data: bytes, begin: int, faces: int) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the faces; what follows them in their lines is the colour of the face."""
    if not faces:
        return np.empty(0, np.int32), np.empty(0, np.float64)
    text = _from(data, begin)
    lengths, items = parse_face_lines(text, faces)
    if len(lengths) < faces:
        _, place, complete = parse_numbers(text)
        if not complete:
            _refuse(path, data, begin + place, f"{faces} faces", 0)
        raise UnreadableFile(
            f"{path} promises {faces} faces but number {len(lengths)} (from 0) is not whole or says no count; "
            "the file is truncated or damaged: copy or export it again"
        )
    return lengths, items


def _refuse(path: Path, data: bytes, place: int, wanted: str, there: int) -> NoReturn:
    word = data[place : place + 40].split()
    if word:
        line, shown = 1 + data.count(b"\n", 0, place), word[0].decode("utf-8", "replace")
        raise UnreadableFile(f"{path} has something other than a number in line {line}: {shown!r}; export it again")
    raise UnreadableFile(
        f"{path} promises {wanted} but ends after {there}; the file is truncated: copy or export it again"
    )


def write_off(mesh: Mesh) -> bytes:
    """The text of an .off, of a COFF or NOFF where the mesh has colours or normals."""
    fields = {name: t.detach().cpu().numpy() for name, t in mesh.tensors().items()}
    parts, keyword = [fields["vertices"]], "OFF"
    if "normals" in fields:
        parts, keyword = [*parts, fields["normals"]], "NOFF"
    if "colors" in fields:
        parts, keyword = [*parts, fields["colors"].clip(0, 1)], "C" + keyword
    table = np.concatenate(parts, axis=1)
    word = "%.9g" if table.dtype == np.float32 else "%.17g"
    row, faces = " ".join([word] * table.shape[1]), fields["faces"]
    lines = [f"{keyword}\n{len(table)} {len(faces)} 0"]
    lines += ["\n".join([row] * len(table)) % tuple(table.ravel().tolist())] * bool(len(table))
    lines += ["\n".join(["3 %d %d %d"] * len(faces)) % tuple(faces.ravel().tolist())] * bool(len(faces))
    return ("\n".join(lines) + "\n").encode("ascii")
