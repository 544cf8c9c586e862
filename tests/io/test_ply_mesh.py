"""Surfaces in .ply files: polygons, strips, grids and what stands at their vertices and corners."""

from pathlib import Path

import numpy as np
import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh
from geokit.io.ply_mesh import grid_to_triangles
from tests.io.builders import ply_bytes, write_photograph

FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]
VERTEX = ["element vertex 4", "property float x", "property float y", "property float z"]
CORNERS = [("3f", c) for c in [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0)]]


def faces(count: int, counter: str = "uchar", item: str = "int", name: str = "vertex_indices") -> list[str]:
    return [f"element face {count}", f"property list {counter} {item} {name}"]


def read(folder: Path, form: str, lines: list[str], rows: list[tuple[str, tuple]], newline: str = "\n") -> Mesh:
    (folder / "a.ply").write_bytes(ply_bytes(form, lines, rows, newline))
    return load_mesh(folder / "a.ply")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["vertex_index", "vertex_indices", "corners"])
@pytest.mark.parametrize(
    ("counter", "item", "layout"),
    [("uchar", "int", "B4i"), ("int", "uint", "i4I"), ("ushort", "short", "H4h"), ("uint", "uchar", "I4B"),
     ("int8", "uint16", "b4H"), ("double", "double", "d4d"), ("float", "float", "f4f"), ("uint64", "int64", "Q4q")],
)  # fmt: skip
def test_lists_of_every_type(
    tmp_path: Path, form: str, newline: str, name: str, counter: str, item: str, layout: str
) -> None:
    mesh = read(tmp_path, form, VERTEX + faces(1, counter, item, name), [*CORNERS, (layout, (4, 0, 1, 2, 3))], newline)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.vertices.tolist() == [list(values) for _, values in CORNERS]


@pytest.mark.parametrize("form", FORMS)
def test_mixed_polygons_among_other_properties_and_elements(tmp_path: Path, form: str) -> None:
    lines = [
        "element camera 1",
        "property list uchar float view",
        "property int n",
        "element face 3",
        "property short kind",
    ]
    lines += ["property list uchar int vertex_index", "property list uchar float texcoord", "property uchar last"]
    lines += [*VERTEX, "element edge 1", "property int a", "property int b"]
    rows = [("B2fi", (2, 0.5, 0.5, 9))]
    rows += [("hB3iB6fB", (7, 3, 0, 1, 2, 6, *[0.125 * i for i in range(6)], 1))]
    rows += [("hB4iB8fB", (7, 4, 0, 1, 2, 3, 8, *[0.25 * i for i in range(8)], 1))]
    rows += [("hB3iB6fB", (7, 3, 1, 2, 3, 6, *[0.5 * i for i in range(6)], 1)), *CORNERS, ("2i", (5, 6))]
    mesh = read(tmp_path, form, lines, rows)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3], [1, 2, 3]]
    assert mesh.uv[0].tolist() == [[0, 0.125], [0.25, 0.375], [0.5, 0.625]]
    assert mesh.uv[2].tolist() == [[0, 0.25], [1, 1.25], [1.5, 1.75]]
    assert mesh.uv[3].tolist() == [[0, 0.5], [1, 1.5], [2, 2.5]]


@pytest.mark.parametrize("form", FORMS)
def test_strips_with_restarts(tmp_path: Path, form: str) -> None:
    lines = [*VERTEX, "element tristrips 2", "property list int int vertex_indices"]
    rows = [*CORNERS, ("i9i", (9, 0, 1, 3, 2, -1, 0, 1, 2, -1)), ("i4i", (4, 3, 3, 2, 0))]
    mesh = read(tmp_path, form, lines, rows)
    assert mesh.faces.tolist() == [[0, 1, 3], [3, 1, 2], [0, 1, 2], [2, 3, 0]]


def test_a_strip_names_vertices_or_restarts(tmp_path: Path) -> None:
    lines = [*VERTEX, "element tristrips 1", "property list int int vertex_indices"]
    for wrong in (4, -2, 2**31 - 1):
        with pytest.raises(UnreadableFile, match=f"a triangle strip names the vertex {wrong}, but there are 4"):
            read(tmp_path, "binary_little_endian", lines, [*CORNERS, ("5i", (4, 0, 1, 2, wrong))])


def grid_lines(columns: int, rows: int, cells: int) -> list[str]:
    return [f"obj_info num_cols {columns}", f"obj_info num_rows {rows}", *VERTEX, f"element range_grid {cells}",
            "property list uchar int vertex_indices"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_range_grid(tmp_path: Path, form: str) -> None:
    cells = [("Bi", (1, 0)), ("Bi", (1, 1)), ("Bi", (1, 3)), ("Bi", (1, 2))]
    mesh = read(tmp_path, form, grid_lines(2, 2, 4), CORNERS + cells)
    assert mesh.area() == pytest.approx(1)
    assert (mesh.face_normals()[:, 2] == 1).all()
    mesh = read(tmp_path, form, grid_lines(2, 2, 4), [*CORNERS, *cells[:3], ("B", (0,))])
    assert mesh.faces.tolist() == [[0, 1, 3]]


def test_a_grid_is_cut_where_the_depth_jumps() -> None:
    y, x = np.mgrid[:20, :30].astype(np.float64)
    z = np.where(x < 15, 0.0, 10.0)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    cells = np.arange(600).reshape(20, 30)
    assert len(grid_to_triangles(cells, vertices * [1, 1, 0])) == 19 * 29 * 2
    assert len(grid_to_triangles(cells, vertices)) == 19 * 28 * 2
    assert len(grid_to_triangles(cells, vertices * [1, 1, 0.3])) == 19 * 29 * 2  # a slope is no jump
    holes = cells.copy()
    holes[5, 7] = -1  # takes one triangle of each of the four squares around it
    assert len(grid_to_triangles(holes, vertices * [1, 1, 0])) == 19 * 29 * 2 - 4
    assert len(grid_to_triangles(np.full((3, 3), -1), vertices)) == 0
    assert len(grid_to_triangles(cells[:1], vertices)) == 0


def test_colors_normals_and_uv_at_vertices(tmp_path: Path) -> None:
    write_photograph(tmp_path / "wood grain.png", 6, 4)
    lines = ["comment TextureFile  wood grain.png", *VERTEX]
    lines += [f"property double {n}" for n in ("nx", "ny", "nz", "s", "t")]
    lines += [f"property uchar {n}" for n in ("red", "green", "blue")]
    rows = [("3f5d3B", (*c, 0.0, 0.0, 2.0, c[0] / 2, c[1] / 4, 255, 51, 0)) for _, c in CORNERS]
    for form in FORMS:
        mesh = read(tmp_path, form, lines + faces(1), [*rows, ("B4i", (4, 0, 1, 2, 3))])
        assert mesh.normals.tolist() == [[0, 0, 1]] * 4
        assert mesh.colors[0].tolist() == pytest.approx([1, 0.2, 0])
        assert mesh.uv[0].tolist() == [[0, 0], [0.5, 0], [0.5, 0.25]]
        assert mesh.texture.shape == (4, 6, 3)


def test_doubles_stay_doubles(tmp_path: Path) -> None:
    lines = [line.replace("float", "double") for line in VERTEX]
    rows = [("3d", tuple(v + 5e6 for v in c)) for _, c in CORNERS]
    for form in FORMS:
        mesh = read(tmp_path, form, lines + faces(1), [*rows, ("B3i", (3, 0, 1, 2))])
        assert mesh.vertices.dtype == torch.float64
        assert mesh.vertices[2].tolist() == [5e6 + 1, 5e6 + 1, 5e6]


def test_headers_of_early_files(tmp_path: Path) -> None:
    lines = [*VERTEX, *faces(1), "element material 1", "property ambient_red uchar               { ambient color }"]
    lines += ["property specular_power float            { Phong power }"]
    for form in FORMS:
        assert len(read(tmp_path, form, lines, [*CORNERS, ("B3i", (3, 0, 1, 2)), ("Bf", (9, 0.5))])) == 1


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    rows = [*CORNERS, ("B2i", (2, 0, 1)), ("B", (0,)), ("B3i", (3, 0, 1, 2))]
    with pytest.warns(UserWarning, match="left out 2 faces of fewer than three corners"):
        assert len(read(tmp_path, "binary_big_endian", VERTEX + faces(3), rows)) == 1
    colored = [*faces(1), *(f"property uchar {n}" for n in ("red", "green", "blue"))]
    with pytest.warns(UserWarning, match="its faces are coloured"):
        read(tmp_path, "ascii", VERTEX + colored, [*CORNERS, ("B3i3B", (3, 0, 1, 2, 1, 2, 3))])
    lines = [*VERTEX, *faces(1), "property list uchar float texcoord"]
    with pytest.warns(UserWarning, match="texcoord of some faces is not two numbers a corner"):
        assert read(tmp_path, "ascii", lines, [*CORNERS, ("B3iB2f", (3, 0, 1, 2, 2, 0.5, 0.5))]).uv is None


def test_a_million_mixed_polygons_need_no_loop_of_python(tmp_path: Path) -> None:
    """Triangles and quadrilaterals in turn: no two neighbouring rows have the same size."""
    count = 200_000
    pair = np.dtype([("a", "u1"), ("three", "<i4", 3), ("b", "u1"), ("four", "<i4", 4)])
    rows = np.zeros(count, pair)
    rows["a"], rows["b"], rows["three"], rows["four"] = 3, 4, [0, 1, 2], [0, 1, 2, 3]
    head = ply_bytes("binary_little_endian", VERTEX + faces(2 * count), CORNERS)
    (tmp_path / "a.ply").write_bytes(head + rows.tobytes())
    mesh = load_mesh(tmp_path / "a.ply")
    assert len(mesh) == 3 * count
    assert mesh.faces[-1].tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("form", "lines", "rows", "match"),
    [
        ("binary_little_endian", VERTEX + faces(1), [("B3i", (3, 0, 1, 4))], "names the vertex 4, but there are 4"),
        ("binary_little_endian", VERTEX + faces(1), [("B3i", (3, 0, 1, -1))], "names the vertex -1"),
        ("ascii", VERTEX + faces(1), [("", (3, 0, 1, 1.5))], "not whole"),
        ("ascii", VERTEX + faces(1), [("", (3, 0, 1, "nan"))], "names the vertex nan"),
        ("ascii", VERTEX + faces(1), [("", (-3, 0, 1, 2))], "a list that does not fit"),
        ("ascii", VERTEX + faces(1), [("", (2.5, 0, 1, 2))], "a list that does not fit"),
        ("ascii", VERTEX + faces(1), [("", (10**12, 0, 1, 2))], "a list that does not fit"),
        ("ascii", VERTEX + faces(1), [("", (3, 0, "one", 2))], "something other than numbers in line 14: 'one'"),
        ("ascii", VERTEX + faces(4_000_000_000), [("", (3, 0, 1, 2))], "promises 4000000000 of face"),
        ("ascii", VERTEX + faces(-1), [("", (3, 0, 1, 2))], "promises -1 of face"),
        ("binary_big_endian", VERTEX + faces(1, "int"), [("i3i", (-3, 0, 1, 2))], "a list that does not fit"),
        ("binary_big_endian", VERTEX + faces(1, "uint"), [("I3i", (2**32 - 1, 0, 1, 2))], "a list that does not fit"),
        ("binary_big_endian", VERTEX + faces(1, "uint64"), [("Q3i", (2**64 - 1, 0, 1, 2))], "a list that does not fit"),
        ("ascii", [*VERTEX, "element face 1", "property int a"], [("", (3,))], "no list vertex_indices in its element"),
        ("ascii", [*VERTEX, *faces(1), *VERTEX], [], "two elements called 'vertex'"),
        ("ascii", [VERTEX[0], VERTEX[1], VERTEX[2], *faces(1)], [], "missing the properties z of mesh"),
        ("ascii", VERTEX, [], "4 points and no faces"),
        ("ascii", grid_lines(2, 2, 4)[1:], [("", (0,))] * 4, "no obj_info num_cols"),
        ("ascii", grid_lines(3, 2, 4), [("", (0,))] * 4, "of 4 cells, but obj_info says 3 x 2"),
        ("ascii", grid_lines(-2, -2, 4), [("", (0,))] * 4, "of 4 cells, but obj_info says -2 x -2"),
        ("ascii", grid_lines(2, 2, 4), [("", (2, 0, 1))] * 4, "more than one vertex"),
        ("ascii", grid_lines(2, 2, 4), [("", (1, 7))] * 4, "a cell of the range grid names the vertex 7"),
    ],
)
def test_broken_files_are_one_sentence(tmp_path: Path, form: str, lines: list, rows: list, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        read(tmp_path, form, lines, [*CORNERS, *rows])
    assert str(tmp_path / "a.ply") in str(caught.value)
    assert "\n" not in str(caught.value)
