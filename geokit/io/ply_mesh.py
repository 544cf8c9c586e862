"""Meshes in .ply files: polygons, triangle strips and the grids of range scanners.

What the format leaves open and this reader decides:

- Elements `face` (lists of corners), `tristrips` (lists in which -1 begins another strip) and `range_grid` (lists of at
  most one vertex for each cell of a scan) give triangles; where there are several, all of them.
- Polygons are cut as `triangulate_polygons` says.
- A grid is `num_cols` by `num_rows` of `obj_info`, row after row. Of four neighbouring cells with four vertices two
  triangles are made, along the shorter diagonal, of three vertices one. Depth jumps where one surface hides another:
  triangles with an edge longer than four times the median distance of neighbouring cells are left out, as Turk and
  Levoy (Zippered polygon meshes, 1994) do. They look to the scanner when rows run upward and columns to the right.
- Places in the texture stand at vertices (s t, u v, texture_u texture_v) or in a list `texcoord` of faces; `comment
  TextureFile` names the picture. Colours of faces are left out: a `Mesh` has them at vertices.
"""

import warnings
from pathlib import Path

import numpy as np

from geokit.errors import UnreadableFile
from geokit.geometry.color_bytes import color_bytes
from geokit.geometry.mesh import Mesh
from geokit.io.mesh_content import (
    MeshContent,
    check_indices,
    cut_polygons,
    no_faces,
    of_corners,
    strips_to_triangles,
)
from geokit.io.ply import vertex_element, write_elements
from geokit.io.ply_body import Body, Table
from geokit.io.ply_header import Header, parse_header
from geokit.io.textures import load_texture
from geokit.io.vertex_values import unit_colors

_CORNERS = ("vertex_indices", "vertex_index")
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
_COLORS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_FACES = ("face", "tristrips", "range_grid")
_FAR = 4.0  # times the median distance of neighbouring cells


def has_faces(header: Header) -> bool:
    """Whether a .ply holds a surface: elements of faces, or none but no vertices either."""
    counts = [e.count for e in header.elements if e.name in _FACES]
    vertex = header.element("vertex")
    return any(counts) or (bool(counts) and vertex is not None and vertex.count == 0)


def read_ply(path: Path, data: bytes) -> MeshContent:
    """The mesh in `data`, the content of `path`; without faces when it holds none."""
    header = parse_header(path, data)
    vertex_element(path, header, ("x", "y", "z"), "mesh")
    body, tables = Body(path, data, header), {}
    for element in header.elements:
        if element.name == "vertex" or element.name in _FACES:
            tables[element.name] = body.read(element)
        else:
            body.skip(element)
    vertex = tables["vertex"]
    names = set(vertex.names())
    content = MeshContent(vertex.columns("x", "y", "z"), no_faces())
    if names.issuperset(("nx", "ny", "nz")):
        content.normals = vertex.columns("nx", "ny", "nz")
    colors = next((group for group in _COLORS if names.issuperset(group)), None)
    if colors:
        content.colors = unit_colors(path, vertex.columns(*colors), np.float32)
    parts = [_strips(path, tables[n], content) for n in ("tristrips",) if n in tables]
    parts += [_grid(path, header, tables[n], content.vertices) for n in ("range_grid",) if n in tables]
    if "face" in tables:
        parts.insert(0, _polygons(path, tables["face"], content))
    if parts:
        content.faces = np.concatenate(parts)
    pair = next((group for group in _UV if names.issuperset(group)), None)
    if content.uv is not None and len(content.uv) != len(content.faces):
        content.uv = None
    if content.uv is None and pair and len(content.faces):
        content.uv = vertex.columns(*pair)[content.faces]
    pictures = [c.removeprefix("TextureFile ").strip() for c in header.comments if c.startswith("TextureFile ")]
    if pictures and content.uv is not None:
        if len(pictures) > 1:
            warnings.warn(f"{path}: of its {len(pictures)} textures only {pictures[0]!r} was kept", stacklevel=4)
        content.texture = load_texture(path, pictures[0])
    return content


def _corner_lists(path: Path, table: Table) -> str:
    lists = table.names(lists=True)
    name = next((n for n in _CORNERS if n in lists), lists[0] if len(lists) == 1 else None)
    if name is None:
        raise UnreadableFile(
            f"{path} has no list vertex_indices in its element {table.element.name!r} (it has "
            f"{', '.join([*lists, *table.names()][:20]) or 'nothing'}); export it again"
        )
    return name


def _polygons(path: Path, table: Table, content: MeshContent) -> np.ndarray:
    lengths, items = table.lists(_corner_lists(path, table))
    check_indices(path, items, len(content.vertices))
    faces, corners = cut_polygons(path, lengths, items, content.vertices)
    if {"red", "green", "blue"}.issubset(table.names()) and content.colors is None:
        warnings.warn(
            f"{path}: its faces are coloured, a mesh has colours at vertices: they were left out", stacklevel=4
        )
    name = next((n for n in ("texcoord", "texcoords") if n in table.names(lists=True)), None)
    if name is not None:
        content.uv = _corner_uv(path, table, name, lengths, corners)
    return faces


def _corner_uv(
    path: Path, table: Table, name: str, lengths: np.ndarray, corners: np.ndarray | None
) -> np.ndarray | None:
    uv_lengths, uv = table.lists(name)
    if not np.array_equal(uv_lengths, 2 * lengths.astype(np.int64)):
        if uv_lengths.any():
            warnings.warn(f"{path}: {name} of some faces is not two numbers a corner: all were left out", stacklevel=5)
        return None
    return of_corners(uv.reshape(-1, 2), corners)


def _strips(path: Path, table: Table, content: MeshContent) -> np.ndarray:
    lengths, items = table.lists(_corner_lists(path, table))
    check_indices(path, items[items != -1], len(content.vertices), "a triangle strip")
    items = items.astype(np.int64)
    return items[strips_to_triangles(items, np.cumsum(lengths, dtype=np.int64) - lengths)]


def _grid(path: Path, header: Header, table: Table, vertices: np.ndarray) -> np.ndarray:
    lengths, items = table.lists(_corner_lists(path, table))
    sizes = dict(line.split()[:2] for line in header.info if len(line.split()) > 1)
    try:
        columns, rows = int(sizes["num_cols"]), int(sizes["num_rows"])
    except (KeyError, ValueError) as error:
        raise UnreadableFile(
            f"{path} has a range_grid but no obj_info num_cols and num_rows; export it again"
        ) from error
    if columns < 0 or rows < 0 or columns * rows != len(lengths):
        raise UnreadableFile(
            f"{path} has a range_grid of {len(lengths)} cells, but obj_info says {columns} x {rows}; export it again"
        )
    if len(lengths) and lengths.max() > 1:
        raise UnreadableFile(f"{path} has cells of its range_grid with more than one vertex; export it again")
    check_indices(path, items, len(vertices), "a cell of the range grid")
    cells = np.full(len(lengths), -1, np.int32 if len(vertices) < 2**31 else np.int64)
    cells[lengths == 1] = items
    return grid_to_triangles(cells.reshape(rows, columns), vertices)


def grid_to_triangles(cells: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """(T, 3) triangles between neighbouring cells of a grid (rows, columns) of vertices, -1 where there is none."""
    if min(cells.shape) < 2:
        return no_faces()
    there = (cells >= 0).astype(np.uint8)
    some = there[:-1, :-1] + there[:-1, 1:] + there[1:, :-1] + there[1:, 1:] >= 3
    a, b, d, c = (part[some] for part in (cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]))
    diagonals = [np.where((p < 0) | (q < 0), np.inf, _apart(vertices, p, q)) for p, q in ((a, c), (b, d))]
    first = diagonals[0] <= diagonals[1]
    halves = [a, b, np.where(first, c, d)], [np.where(first, a, b), c, d]
    triangles = np.concatenate([np.stack(corners, axis=1) for corners in halves])
    triangles = triangles[(triangles >= 0).all(axis=1)].astype(np.int64)
    steps = [_median_step(vertices, cells[:, :-1], cells[:, 1:]), _median_step(vertices, cells[:-1], cells[1:])]
    longest = np.max([_apart(vertices, triangles[:, i], triangles[:, i - 1]) for i in range(3)], axis=0)
    return triangles[longest <= _FAR * max(steps)]


def _apart(vertices: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vertices[p] - vertices[q], axis=-1)


def _median_step(vertices: np.ndarray, cells: np.ndarray, neighbors: np.ndarray) -> float:
    """The median distance of neighbouring cells that both have a vertex; zero where there are none."""
    both = (cells >= 0) & (neighbors >= 0)
    return float(np.median(_apart(vertices, cells[both], neighbors[both]))) if both.any() else 0.0


def write_ply(mesh: Mesh) -> bytes:
    """A binary little-endian .ply: float or double as the mesh is, colours as bytes, uv in a list of the faces."""
    fields = {name: t.detach().cpu().numpy() for name, t in mesh.tensors().items()}
    columns = {name: fields["vertices"][:, i] for i, name in enumerate("xyz")}
    if "normals" in fields:
        columns |= {name: fields["normals"][:, i] for i, name in enumerate(("nx", "ny", "nz"))}
    if mesh.colors is not None:
        tints = color_bytes(mesh.colors)
        columns |= {name: tints[:, i] for i, name in enumerate(_COLORS[0])}
    lists = {"vertex_indices": fields["faces"].astype(np.int32)}
    if "uv" in fields:
        lists["texcoord"] = fields["uv"].reshape(-1, 6).astype(np.float32)
    return write_elements(columns, lists)
