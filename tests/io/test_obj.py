import warnings
from pathlib import Path

import pytest
import torch

from geokit.errors import UnreadableFile
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh, save_mesh
from tests.io.builders import tetrahedron, write_photograph

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
UV = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


def read(folder: Path, text: str) -> Mesh:
    (folder / "a.obj").write_bytes(text.encode())
    return load_mesh(folder / "a.obj")


@pytest.mark.parametrize(
    "face",
    [
        "f 1 2 3 4",
        "f -4 -3 -2 -1",
        "f  1\t2   3 4  # all",
        "f 1 2 \\\n 3 4",
        "f 1/ 2/ 3/ 4/",
        "f +1 +2 +3 +4",
        " f 1 2 3 4",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_spellings_of_one_square(tmp_path: Path, face: str, newline: str) -> None:
    if newline == "\r" and "#" in face:
        face = face.split("#")[0]
    mesh = read(tmp_path, ("# a comment\n\n" + SQUARE + "g one\ns off\n" + face).replace("\n", newline))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.vertices.dtype == torch.float32


def test_indices_count_from_the_line_they_stand_in(tmp_path: Path) -> None:
    mesh = read(
        tmp_path,
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 5 0 0\nv 6 0 0\nv 5 1 0\nf -3 -2 -1\nf 7 8 9\n" + "v 9 9 9\n" * 3,
    )
    assert mesh.faces.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_corners_with_uv_and_normals(tmp_path: Path) -> None:
    mesh = read(tmp_path, SQUARE + UV + "vn 0 0 2\nf 1/1/1 2/2/1 3/3/1 4/4/1\n")
    assert mesh.uv[1].tolist() == [[0, 0], [1, 1], [0, 1]]
    assert mesh.normals.tolist() == [[0, 0, 1]] * 4
    assert read(tmp_path, SQUARE + UV + "f 1/4 2/3 3/2\n").uv.tolist() == [[[0, 1], [1, 1], [1, 0]]]


def test_normals_of_a_crease_are_left_out(tmp_path: Path) -> None:
    crease = "vn 0 0 1\nvn 0 1 0\nf 1//1 2//1 3//1\nf 1//2 3//1 4//1\n"
    assert read(tmp_path, SQUARE + crease).normals is None
    assert read(tmp_path, SQUARE + "vn 0 0 1\nf 1//1 2//1 3//1\nf 1 3 4\n").normals is None


def test_colors_need_every_vertex(tmp_path: Path) -> None:
    assert read(tmp_path, "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 0 0.5 1\nf 1 2 3\n").colors[2].tolist() == [0, 0.5, 1]
    assert read(tmp_path, "v 0 0 0 255 0 0\nv 1 0 0 0 51 0\nv 1 1 0 0 0 1\nf 1 2 3\n").colors[1, 1] == pytest.approx(
        0.2
    )
    assert read(tmp_path, "v 0 0 0 1 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n").colors is None
    assert read(tmp_path, "v 0 0 0 1\nv 1 0 0 1\nv 1 1 0 1\nf 1 2 3\n").colors is None  # weights
    with pytest.warns(UserWarning, match="neither in 0..1 nor bytes"):
        assert read(tmp_path, "v 0 0 0 -1 0 0\nv 1 0 0 0 1 0\nv 1 1 0 0 0.5 1\nf 1 2 3\n").colors is None


def test_a_polygon_that_is_not_convex(tmp_path: Path) -> None:
    """Ears are clipped: a fan would cover places outside the polygon."""
    ring = [(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)]  # a U, from a corner where a fan fails
    for shift in range(8):
        corners = ring[shift:] + ring[:shift]
        mesh = read(tmp_path, "".join(f"v {x} {y} 0\n" for x, y in corners) + "f 1 2 3 4 5 6 7 8\n")
        assert len(mesh) == 6
        assert mesh.area() == pytest.approx(10)
        assert (mesh.face_normals()[:, 2] > 0.99).all()
    dart = read(tmp_path, "v 0 0 0\nv 2 1 0\nv 0 2 0\nv 0.5 1 0\nf 1 2 3 4\n")
    assert dart.area() == pytest.approx(1.5)


def test_a_large_polygon_is_cut_in_time(tmp_path: Path) -> None:
    """A comb of 20,000 corners: the effort is bounded, and what it does not last for is said."""
    count = 10_000
    teeth = "".join(f"v {i} {i % 2} 0\n" for i in range(count)) + "".join(
        f"v {i} {-1 - i % 2} 0\n" for i in range(count)[::-1]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = read(tmp_path, teeth + "f " + " ".join(str(i) for i in range(2 * count, 0, -1)) + "\n")
    assert len(mesh) == 2 * count - 2


def test_textures(tmp_path: Path) -> None:
    write_photograph(tmp_path / "wood grain.png", 6, 4)
    (tmp_path / "a.mtl").write_text("newmtl none\nKd 1 0 0\nnewmtl wood\nmap_Kd -s 1 1 1 -o 0 0 0 wood grain.png\n")
    text = "mtllib a.mtl\n" + SQUARE + UV + "usemtl wood\nf 1/1 2/2 3/3\n"
    assert read(tmp_path, text).texture.shape == (4, 6, 3)
    assert read(tmp_path, text.replace("usemtl wood", "usemtl none")).texture is None
    (tmp_path / "a.mtl").write_text("newmtl wood\nmap_Kd wood grain.png\nnewmtl b\nmap_Kd b.png\n")
    with pytest.warns(UserWarning, match="has 2 textures, only the first, 'wood grain.png'"):
        assert read(tmp_path, text + "usemtl b\nf 1/1 3/3 4/4\n").texture is not None


@pytest.mark.parametrize(
    ("library", "match"),
    [
        ("map_Kd ../secret.png", "leaves the capture folder"),
        ("map_Kd C:\\pictures\\secret.png", "does not exist"),
        ("map_Kd http://example.com/a.png", "is no file beside it"),
        ("map_Kd none.png", "does not exist"),
        ("map_Kd broken.png", "no picture that can be read"),
        ("map_Kd link.png", "leaves the capture folder"),
    ],
)
def test_a_texture_never_costs_the_mesh(tmp_path: Path, library: str, match: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    write_photograph(tmp_path / "secret.png", 6, 4)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "broken.png").write_bytes((tmp_path / "secret.png").read_bytes()[:50])
    (folder / "a.mtl").write_text(f"newmtl m\n{library}\n")
    with pytest.warns(UserWarning, match=match):
        mesh = read(folder, "mtllib a.mtl\n" + SQUARE + UV + "usemtl m\nf 1/1 2/2 3/3\n")
    assert mesh.texture is None
    assert mesh.uv is not None


@pytest.mark.parametrize("name", ["../a.mtl", "none.mtl", "a.obj", ".", "b\0.mtl"])
def test_a_library_never_costs_the_mesh(tmp_path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = read(tmp_path, f"mtllib {name}\n" + SQUARE + UV + "usemtl m\nf 1/1 2/2 3/3\n")
    assert mesh.texture is None


def test_a_picture_that_would_fill_the_memory(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (6000, 6000)).save(tmp_path / "bomb.png")
    (tmp_path / "a.mtl").write_text("newmtl m\nmap_Kd bomb.png\n")
    with pytest.warns(UserWarning, match="6000 x 6000 pixels in"):
        assert read(tmp_path, "mtllib a.mtl\n" + SQUARE + UV + "usemtl m\nf 1/1 2/2 3/3\n").texture is None


def test_short_faces_and_other_lines(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out 2 faces of fewer than three corners"):
        mesh = read(tmp_path, SQUARE + "f 1\nf 1 2\nf 1 2 3\nl 1 2\np 1\ncurv 0 1 1 2\nfo 1 2 3\nvp 1 2\n")
    assert len(mesh) == 1


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (SQUARE + "f 0 1 2\n", "the index 0, but they count from 1 in line 5"),
        (SQUARE + "f 1 2 5\n", "an index that names nothing in line 5"),
        (SQUARE + "f 1 2 -5\n", "an index that names nothing in line 5"),
        (SQUARE + "f 1 2 99999999999999999999\n", "an index that names nothing in line 5"),
        (SQUARE + "f 1/1 2/1 3/1\n", "an index that names nothing in line 5"),
        (SQUARE + "vt 0 0\nf 1/1/1 2/1/1 3/1/1\n", "an index that names nothing in line 6"),
        (SQUARE + "f a b c\n", "not made of indices in line 5: 'f a b c'"),
        (SQUARE + "f 1.5 2 3\n", "not made of indices"),
        (SQUARE + UV + "vn 0 0 1\nf 1/1/1/1 2 3\n", "not made of indices"),
        (SQUARE + "f - 2 3\n", "not made of indices"),
        ("v 1 2\n", "too few numbers in line 1"),
        ("v 1 2 three\n", "something other than a number in line 1"),
        ("v 1 2 3,5\n", "something other than a number"),
        (SQUARE + "vn 1 2\n", "too few numbers in line 5"),
        (SQUARE + "vt\n", "too few numbers in line 5"),
        ("# nothing\n", "lists no vertices"),
        (SQUARE, "4 points and no faces"),
    ],
)
def test_broken_files_are_one_sentence(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(UnreadableFile, match=match) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "a.obj") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_written(tmp_path: Path) -> None:
    save_mesh(tmp_path / "my mesh.obj", tetrahedron(uv=True, texture=True, normals=True))
    text = (tmp_path / "my mesh.obj").read_text()
    assert "mtllib my mesh.mtl" in text
    assert "f 1/1/1 3/2/3 2/3/2" in text
    assert load_mesh(tmp_path / "my mesh.obj").texture is not None
