from pathlib import Path

import pytest

from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh

PLACES = ["0 0 0", "1 0 0", "1 1 0", "0 1 0"]


def read(folder: Path, text: str) -> Mesh:
    (folder / "a.off").write_bytes(text.encode())
    return load_mesh(folder / "a.off")


def square(keyword: str = "OFF\n", faces: str = "4 0 1 2 3\n", more: str = "", count: int = 1) -> str:
    return f"{keyword}4 {count} 0\n" + "".join(f"{place}{more}\n" for place in PLACES) + faces


@pytest.mark.parametrize(
    "text",
    [
        square(),
        square(keyword=""),
        square(keyword="OFF "),
        square(keyword="# made by hand\nOFF # counts\n\n"),
        square().replace("\n", "\r\n"),
        square(faces="4 0 1 2 3 255 0 0\n"),
        square(faces="4 0 1 2 3  0.1 0.2 0.3 1.0\n"),
        square(faces="3 0 1 2\n3 0 2 3 7\n", count=2),
        square(faces="3 0 1 2 255 0 0\n\n3 0 2 3\n", count=2),
        square(keyword="STOFF\n", more=" 0.5 0.5"),
    ],
)
def test_spellings_of_one_square(tmp_path: Path, text: str) -> None:
    mesh = read(tmp_path, text)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.vertices[2].tolist() == [1, 1, 0]
    assert mesh.colors is None


def test_colors_and_normals(tmp_path: Path) -> None:
    for more in (" 255 0 51 255", " 255 0 51", " 1.0 0 0.2 1", " 1.0 0.0 0.2"):
        assert read(tmp_path, square("COFF\n", more=more)).colors[0].tolist() == pytest.approx([1, 0, 0.2])
    assert read(tmp_path, square(more=" 255 0 51 255")).colors[0].tolist() == pytest.approx([1, 0, 0.2])
    both = read(tmp_path, square("CNOFF\n", more=" 0 0 3 255 0 51 255"))
    assert both.normals[3].tolist() == [0, 0, 1]
    assert both.colors[3].tolist() == pytest.approx([1, 0, 0.2])
    assert read(tmp_path, square("NOFF\n", more=" 0 0 3")).normals[0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "does not begin with OFF"),
        ("OF 3", "does not begin with OFF"),
        ("4OFF\n1 0 0\n0 0 0 0\n", "a form of .off that is not read"),
        ("OFF BINARY\n\0\0\0", "a form of .off that is not read"),
        ("OFF\n", "does not begin with the counts"),
        ("OFF\n-1 0 0\n", "does not begin with the counts"),
        ("OFF\ninf 0 0\n", "does not begin with the counts"),
        ("OFF\n1.5 0 0\n", "does not begin with the counts"),
        ("OFF\n4000000000 4000000000 0\n0 0 0\n", "promises"),
        ("OFF\n4 4000000000 0\n" + "0 0 0\n" * 4 + "3 0 1 2\n", "promises"),
        (square(faces="3 0 1 4\n"), "names the vertex 4, but there are 4"),
        (square(faces="3 0 1 -1\n"), "names the vertex -1"),
        (square(faces="3 0 1 1.5\n"), "not whole"),
        (square(faces="3 0 1 nan\n"), "names the vertex nan"),
        (square(faces="4 0 1 2\n"), "number 0 .* is not whole"),
        (square(faces="-1 0 1 2\n"), "number 0 .* says no count"),
        (square(faces="99999999999999999999 0 1 2\n"), "number 0"),
        (square(count=2, faces="4 0 1 2 3\n5\n"), "number 1 .* is not whole"),
        (square(faces="three 0 1 2\n"), "something other than a number in line 7: 'three'"),
        (square().replace("1 1 0", "1 x 0"), "something other than a number in line 5: 'x'"),
        ("OFF\n4 1 0\n0 0 0\n", "promises 4 vertices"),
        (square(faces="", count=0), "4 points and no faces"),
    ],
)
def test_broken_files_are_one_sentence(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "a.off") in str(caught.value)
    assert "\n" not in str(caught.value)
