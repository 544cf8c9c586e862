import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import UnreadableFile
from geokit.geometry import PointCloud
from geokit.io import load_point_ply, save_point_ply
from geokit.io.ply import parse_header, read_vertices, write_vertices

ROWS = [(1.5, -2.0, 0.25, 255, 0, 51), (0.0, 4.0, -8.0, 0, 102, 255)]


def header(form: str, *lines: str, newline: str = "\n") -> bytes:
    return newline.join(["ply", f"format {form} 1.0", *lines, "end_header", ""]).encode()


def vertex_lines(kind: str, count: int = 2) -> list[str]:
    return [
        f"element vertex {count}",
        *(f"property {kind} {name}" for name in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
    ]


@pytest.mark.parametrize("kind", ["float", "double", "float32", "float64"])
@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_form_gives_the_same_points(tmp_path: Path, kind: str, form: str, newline: str) -> None:
    path = tmp_path / "a.ply"
    if form == "ascii":
        body = newline.join(" ".join(map(str, row)) for row in ROWS).encode()
    else:
        layout = ("<" if "little" in form else ">") + ("3f" if "32" in kind or kind == "float" else "3d") + "3B"
        body = b"".join(struct.pack(layout, *row) for row in ROWS)
    path.write_bytes(header(form, "comment made by hand", *vertex_lines(kind), newline=newline) + body)
    cloud = load_point_ply(path)
    assert cloud.points.tolist() == [list(row[:3]) for row in ROWS]
    assert torch.allclose(cloud.colors, torch.tensor([row[3:] for row in ROWS]) / 255)


def test_other_elements_and_properties_are_stepped_over(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    before = ["element camera 1", "property double time", "element face 2", "property list uchar int vertex_indices"]
    lines = ["element vertex 2", "property short z", "property uint8 quality", "property float x", "property int y"]
    after = ["element edge 1", "property int a"]
    body = struct.pack("<d", 3.5) + struct.pack("<B3i", 3, 0, 1, 1) + struct.pack("<B4i", 4, 0, 1, 1, 0)
    body += struct.pack("<hBfi", -3, 9, 1.5, 2) + struct.pack("<hBfi", 30, 9, 2.5, -2) + struct.pack("<i", 7)
    path.write_bytes(header("binary_little_endian", *before, *lines, *after) + body)
    assert load_point_ply(path).points.tolist() == [[1.5, 2, -3], [2.5, -2, 30]]
    assert load_point_ply(path).colors is None
    text = "3.5\n3 0 1 1\n4 0 1 1 0\n-3 9 1.5 2\n30 9 2.5 -2\n7\n"
    path.write_bytes(header("ascii", *before, *lines, *after) + text.encode())
    assert load_point_ply(path).points.tolist() == [[1.5, 2, -3], [2.5, -2, 30]]


def test_colours_of_other_types(tmp_path: Path) -> None:
    for kind, values, scale in [("ushort", (65535, 0, 13107), 65535), ("float", (1.0, 0.0, 0.2), 1)]:
        lines = [
            "element vertex 1",
            *(f"property float {n}" for n in "xyz"),
            *(f"property {kind} {n}" for n in ("red", "green", "blue")),
        ]
        body = struct.pack("<3f" + ("3H" if kind == "ushort" else "3f"), 0, 0, 0, *values)
        (tmp_path / "a.ply").write_bytes(header("binary_little_endian", *lines) + body)
        assert torch.allclose(load_point_ply(tmp_path / "a.ply").colors, torch.tensor([values]) / scale)


@given(st.integers(0, 20), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_points_round_trip(tmp_path_factory: pytest.TempPathFactory, count: int, colored: bool, seed: int) -> None:
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    g = torch.Generator().manual_seed(seed)
    colors = torch.randint(0, 256, (count, 3), generator=g).float() / 255 if colored else None
    cloud = PointCloud(torch.randn(count, 3, generator=g) * 1e3, colors)
    save_point_ply(path, cloud)
    back = load_point_ply(path)
    assert torch.equal(back.points, cloud.points)
    assert (back.colors is None) == (colors is None)
    if colors is not None:
        assert torch.allclose(back.colors, colors, atol=1e-7)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not a .ply"),
        (b"solid cube", "not a .ply"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\n", "end_header"),
        (header("ascii_art"), "not understood"),
        (b"ply\nend_header\n", "no format"),
        (header("ascii"), "no element 'vertex'"),
        (header("ascii", "element vertex 1", "property float x"), "missing the properties y, z"),
        (header("ascii", "element vertex x", "property float x"), "not understood"),
        (header("ascii", "property float x"), "not understood"),
        (header("ascii", "element vertex 1", "property quaternion x"), "not understood"),
        (header("ascii", *vertex_lines("float", -5)), "promises -5"),
        (header("ascii", *vertex_lines("float"), "property float x"), "two properties called 'x'"),
        (header("ascii", *vertex_lines("float", 10**12)) + b"1 2 3", "promises"),
        (header("ascii", *vertex_lines("float")) + b"1 2 3 4 5 6 1 2 3", "promises"),
        (header("ascii", *vertex_lines("float")) + b"1 2 3 4 5 6 1 2 three 4 5 6", "numbers"),
        (header("ascii", *vertex_lines("float")) + "1 2 3 4 5 6 1 2 ½ 4 5 6".encode(), "numbers"),
        (header("binary_little_endian", *vertex_lines("float")) + b"\0" * 29, "promises 2 vertices"),
        (header("binary_little_endian", *vertex_lines("float", 2**62)) + b"\0" * 29, "promises"),
        (
            header("binary_big_endian", "element face 9", "property list uint int v", *vertex_lines("float"))
            + b"\xff" * 60,
            "promises",
        ),
        (
            header("binary_little_endian", *vertex_lines("float", 1))
            + struct.pack("<3f3B", 0, float("nan"), 0, 0, 0, 0),
            "NaN",
        ),
    ],
)
def test_broken_files_are_one_sentence(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=match) as caught:
        load_point_ply(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_endless_header_is_not_searched_forever(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(b"ply\nformat ascii 1.0\n" + b"comment x\n" * 300_000)
    with pytest.raises(UnreadableFile, match="end_header"):
        load_point_ply(tmp_path / "a.ply")


def test_written_headers_say_what_they_hold() -> None:
    content = write_vertices({"x": np.zeros(2, np.float32), "red": np.zeros(2, np.uint8)}, ["hello"])
    parsed = parse_header(Path("a.ply"), content)
    assert parsed.comments == ("hello",)
    assert [(p.name, p.type) for p in parsed.elements[0].properties] == [("x", "f4"), ("red", "u1")]
    assert len(content) - parsed.body == 2 * 5


@pytest.mark.data
def test_real_files(data_folder: Path) -> None:
    counts = {"meshes/bun_zipper.ply": 35947, "io_dev/trimesh/points_ascii.ply": 5, "io_dev/trimesh/bunny.ply": 8171}
    for name, count in counts.items():
        assert len(load_point_ply(data_folder / name)) == count
    crlf = data_folder / "io_dev/assimp/PLY_cube_binary.ply"
    assert len(load_point_ply(crlf)) > 0
    with pytest.raises(UnreadableFile, match="does not begin with"):
        read_vertices(data_folder / "io_dev/assimp/invalid_empty.ply", ("x", "y", "z"), "points")
