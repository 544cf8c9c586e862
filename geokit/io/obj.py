"""Wavefront .obj: what it lists becomes one mesh.

What the format leaves open and this reader decides:

- Objects and groups are merged. Lines, points, curves and smoothing groups are passed over. Polygons are cut as
  `triangulate_polygons` says. Faces of fewer than three corners are left out with a warning.
- `v` may carry colours (x y z r g b); they are kept when every vertex has them. A fourth number alone is a weight of
  curves and is passed over.
- Places in the texture are kept at the corners when every corner names one, otherwise left out with a warning. The
  first `map_Kd` among the materials used, in a library of the same folder, is the texture; further ones are left out
  with a warning.
- Normals are kept when all corners of a vertex name the same one and every corner names one: a crease would need two.
- Indices that are 0 or name nothing are refused.
"""

import re
import warnings
from pathlib import Path

import numpy as np

from geokit.backend.file_ops import OBJ_FAULTS, ObjContent, parse_obj
from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.mesh_content import MeshContent, cut_polygons, of_corners
from geokit.io.safe import confined_path, existing_file, read_bytes
from geokit.io.textures import load_texture
from geokit.io.vertex_values import unit_colors

_STATEMENT = re.compile(rb"^[ \t]*(mtllib|usemtl)[ \t]+([^\r\n]*)", re.MULTILINE)
_LIBRARY_LINE = re.compile(r"^[ \t]*(newmtl|map_Kd)[ \t]+([^\r\n]*)", re.MULTILINE)
_OPTIONS = re.compile(
    r"^(?:-(?:blendu|blendv|cc|clamp|texres|bm|boost|imfchan|type)\s+\S+\s+|-(?:mm|[ost])(?:\s+[-+.\deE]+)+\s+)+"
)
_LARGEST_LIBRARY = 1 << 24


def read_obj(path: Path, data: bytes) -> MeshContent:
    """The mesh in `data`, the content of `path`."""
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    if b"\\" in data:  # a line that goes on in the next one; the number of lines stays
        data = re.sub(rb"\\[ \t]*\r?\n", b" ", data)
    content, fault, line = parse_obj(data)
    if content is None:
        text = data.split(b"\n", line)[line - 1][:80].decode("utf-8", "replace").strip()
        raise UnreadableFile(f"{path} has {OBJ_FAULTS[fault]} in line {line}: {text!r}; export it again")
    if not len(content.vertices):
        raise UnreadableFile(
            f"{path} lists no vertices (lines that begin with v); it is empty or no .obj: export it again"
        )
    faces, corners = cut_polygons(path, content.lengths, content.corners, content.vertices)
    mesh = MeshContent(content.vertices, faces, exact=False)
    if content.colors is not None:
        mesh.colors = unit_colors(path, content.colors, np.float32)
    mesh.normals = _vertex_normals(content)
    if content.corner_uvs is not None:
        mesh.uv = content.uvs[of_corners(content.corner_uvs, corners)]
        mesh.texture = _texture(path, data)
    elif len(content.uvs) and len(faces):
        warnings.warn(f"{path}: not every corner has a place in the texture: all were left out", stacklevel=4)
    return mesh


def _vertex_normals(content: ObjContent) -> np.ndarray | None:
    if content.corner_normals is None:
        return None
    chosen = np.full(len(content.vertices), -1, np.int32)
    chosen[content.corners] = content.corner_normals
    found = content.normals[chosen[content.corners]]
    if not np.array_equal(found, content.normals[content.corner_normals]):
        return None
    return np.where((chosen >= 0)[:, None], content.normals[chosen], 0.0)


def _texture(path: Path, data: bytes) -> np.ndarray | None:
    named_here: dict[bytes, dict[bytes, None]] = {b"mtllib": {}, b"usemtl": {}}
    for match in _STATEMENT.finditer(data):
        named_here[match[1]][match[2]] = None
    libraries, used = ([n.decode("utf-8", "replace").strip() for n in names] for names in named_here.values())
    pictures: dict[str, str] = {}
    for name in libraries:
        pictures = _pictures(path, name)
        if pictures:
            break
    named = list(dict.fromkeys(pictures[name] for name in (used or list(pictures)) if name in pictures))
    if len(named) > 1:
        warnings.warn(f"{path}: has {len(named)} textures, only the first, {named[0]!r}, was kept", stacklevel=5)
    return load_texture(path, named[0]) if named else None


def _pictures(path: Path, library: str) -> dict[str, str]:
    """The picture map_Kd of each material of a library beside the mesh; none, with a warning, if it cannot be read."""
    try:
        place = existing_file(confined_path(path.parent, library.replace("\\", "/"), path), "material library")
        if place.stat().st_size > _LARGEST_LIBRARY:
            raise UnreadableFile(f"{place} is larger than a material library can be")
        text = read_bytes(place, "material library").decode("utf-8", "replace")
    except (UnreadableFile, OSError) as error:
        warnings.warn(f"{path}: its materials were left out: {error}", stacklevel=6)
        return {}
    found: dict[str, str] = {}
    material = ""
    for match in _LIBRARY_LINE.finditer(text):
        if match[1] == "newmtl":
            material = match[2].strip()
        else:
            found.setdefault(material, _without_options(match[2].strip()))
    return found


def _without_options(words: str) -> str:
    """The file name at the end of `-s 1 1 1 -o 0 0 0 name of the picture.png`."""
    return re.sub(
        r"^(?:-(?:blendu|blendv|cc|clamp|texres|bm|boost|imfchan|type)\s+\S+\s+|-(?:mm|[ost])(?:\s+[-+.\deE]+)+\s+)+",
        "",
        words,
    )


def write_obj(mesh: Mesh, library: str | None = None) -> bytes:
    """The text of an .obj; library: the name of the .mtl file that goes with it."""
    fields = {name: t.detach().cpu().numpy() for name, t in mesh.tensors().items()}
    digits = 9 if fields["vertices"].dtype == np.float32 else 17
    lines = ["# written by geokit"]
    if library:
        lines += [f"mtllib {library}", "usemtl textured"]
    table = fields["vertices"]
    if "colors" in fields:
        table = np.concatenate([table, fields["colors"].clip(0, 1)], axis=1)
    number = f"%.{digits}g"
    blocks = ["\n".join(lines), _rows("v", number, table)]
    if "normals" in fields:
        blocks.append(_rows("vn", number, fields["normals"]))
    if "uv" in fields:
        blocks.append(_rows("vt", number, fields["uv"].reshape(-1, 2)))
    faces = fields["faces"] + 1
    if len(faces):
        parts = [faces]
        if "uv" in fields:
            parts.append(np.arange(1, faces.size + 1).reshape(-1, 3))
        if "normals" in fields:
            parts.append(faces)
        corner = {(False, False): "%d", (True, False): "%d/%d", (False, True): "%d//%d", (True, True): "%d/%d/%d"}
        word = corner["uv" in fields, "normals" in fields]
        blocks.append(_rows("f", word, np.stack(parts, axis=2).reshape(len(faces), -1), columns=3))
    return ("\n".join(block for block in blocks if block) + "\n").encode("ascii")


def _rows(keyword: str, word: str, table: np.ndarray, columns: int | None = None) -> str:
    """One line a row: the keyword and `columns` words (as many as the row has numbers, unless said)."""
    line = " ".join([keyword] + [word] * (columns or table.shape[1])) if len(table) else ""
    return "\n".join([line] * len(table)) % tuple(table.ravel().tolist())


def write_material(picture: str) -> bytes:
    """The .mtl that puts one picture on everything."""
    return f"# written by geokit\nnewmtl textured\nKd 1 1 1\nmap_Kd {picture}\n".encode()
