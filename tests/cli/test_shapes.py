"""info, convert, compare and register on meshes and points, as typed."""

import json

import pytest
import torch

from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.io import save_splats
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.point_clouds import load_points, save_points
from tests.cli.test_main import said, sentence
from tests.io.builders import random_splats
from tests.io.hostile import cloud


@pytest.fixture
def tetrahedron(tmp_path):
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    save_mesh(tmp_path / "a.ply", Mesh(vertices, faces, colors=torch.rand(4, 3)))
    return tmp_path / "a.ply"


def test_info_tells_what_a_mesh_is(capsys, tetrahedron):
    out, err = said(capsys, ["info", tetrahedron], 0)
    assert err == ""
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert "4" in lines["vertices"]
    assert "watertight, manifold, Euler characteristic 2, genus 0" in lines["surface"]
    assert "0.166667" in lines["volume"]
    assert "colours" in lines["attributes"]
    assert "none found" in lines["problems"]
    found = json.loads(said(capsys, ["info", tetrahedron, "--json"], 0).out)
    assert (found["kind"], found["faces"], found["genus"]) == ("mesh", 4, 0)


def test_info_tells_what_points_are(capsys, tmp_path):
    save_points(tmp_path / "a.las", cloud(20, normals=False))
    out, _ = said(capsys, ["info", tmp_path / "a.las"], 0)
    assert "20 (float64)" in out
    assert "spacing" in out
    assert "usually metre" in out
    assert "colours" in out


def test_convert_says_what_is_lost_and_overwrites_nothing(capsys, tetrahedron, tmp_path):
    out, err = said(capsys, ["convert", tetrahedron, tmp_path / "b.stl"], 0)
    assert "wrote" in out
    assert "4 vertices, 4 faces" in out
    assert "note: .stl holds no colours" in out
    assert err == ""
    before = (tmp_path / "b.stl").read_bytes()
    assert "exists already" in sentence(capsys, ["convert", tetrahedron, tmp_path / "b.stl"])
    assert (tmp_path / "b.stl").read_bytes() == before
    said(capsys, ["convert", tetrahedron, tmp_path / "b.stl", "--overwrite"], 0)
    out, _ = said(capsys, ["convert", tetrahedron, tmp_path / "c.xyz"], 0)
    assert "4 points" in out
    assert "faces of the mesh are left out" in out
    assert len(load_points(tmp_path / "c.xyz")) == 4


def test_compare_prints_a_table_and_writes_pictures(capsys, tetrahedron, tmp_path):
    save_points(tmp_path / "b.xyz", PointCloud(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 1.5]])))
    out, err = said(capsys, ["compare", tetrahedron, tmp_path / "b.xyz", "--output", tmp_path / "out"], 0)
    assert err == ""
    for words in ("A to B", "chamfer", "F-score", "Hausdorff", "normal consistency", "histogram.png"):
        assert words in out
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "comparison.json", "errors_first.ply", "errors_second.ply", "histogram.png",
    ]  # fmt: skip
    assert load_mesh(tmp_path / "out" / "errors_first.ply").colors is not None
    assert "already" in sentence(capsys, ["compare", tetrahedron, tmp_path / "b.xyz", "--output", tmp_path / "out"])
    found = json.loads(said(capsys, ["compare", tetrahedron, tmp_path / "b.xyz", "--json"], 0).out)
    assert found["completeness"]["maximum"] == pytest.approx(0.5)
    assert "threshold must be" in sentence(capsys, ["compare", tetrahedron, tetrahedron, "--threshold", "-1"])
    assert "count must be" in sentence(capsys, ["compare", tetrahedron, tetrahedron, "--samples", "0"])


@pytest.mark.parametrize(
    "name", ["short.ply", "short.stl", "short.pcd", "short.las", "short.npz", "short.e57", "none.obj", "text.xyz"]
)
@pytest.mark.parametrize("verb", ["info", "convert", "compare", "register"])
def test_damaged_files_are_one_sentence(capsys, tetrahedron, tmp_path, name, verb):
    path = tmp_path / name
    if name == "text.xyz":
        path.write_text("1 2 3\n4 5\n")
    elif name.startswith("short"):
        good = tmp_path / f"good{path.suffix}"
        said(capsys, ["convert", tetrahedron, good], 0)
        path.write_bytes(good.read_bytes()[:-7])
    rest = {"info": [], "convert": [tmp_path / "out.ply"], "compare": [tetrahedron], "register": [tetrahedron]}[verb]
    assert name in sentence(capsys, [verb, path, *rest])
    assert not (tmp_path / "out.ply").exists()


def test_other_kinds_of_files(capsys, tmp_path, tetrahedron):
    save_splats(tmp_path / "s.ply", random_splats(5))
    assert "geokit mesh" in sentence(capsys, ["convert", tmp_path / "s.ply", tmp_path / "b.obj"])
    assert "holds splats" in sentence(capsys, ["compare", tmp_path / "s.ply", tetrahedron])
    assert "holds splats" in sentence(capsys, ["register", tmp_path / "s.ply", tetrahedron])
    (tmp_path / "a.docx").write_bytes(b"hello")
    assert "of no kind that geokit knows" in sentence(capsys, ["info", tmp_path / "a.docx"])


def bumpy(count: int = 3000) -> PointCloud:
    """Points on a surface without symmetries."""
    g = torch.Generator().manual_seed(3)
    flat = torch.rand(count, 2, generator=g) * 2 - 1
    x, y = flat.T
    height = 0.4 * torch.exp(-4 * ((x - 0.4) ** 2 + (y + 0.2) ** 2)) + 0.15 * torch.sin(4 * x + y * y) + 0.2 * y * x
    return PointCloud(torch.stack([x, y, height], dim=1))


def test_register_prints_the_matrix_and_writes_the_moved_points(capsys, tmp_path):
    there = bumpy()
    angle, shift = torch.tensor(0.7), torch.tensor([0.3, -0.2, 0.5])
    c, s = angle.cos(), angle.sin()
    turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    save_points(tmp_path / "b.ply", there)
    save_points(tmp_path / "a.ply", PointCloud((there.points - shift) @ turn))  # turn.T (p - shift)
    out, err = said(capsys, ["register", tmp_path / "a.ply", tmp_path / "b.ply", "--output", tmp_path / "m.xyz"], 0)
    assert err == ""
    for words in ("turned", "residual", "fitness", "wrote"):
        assert words in out
    assert torch.allclose(load_points(tmp_path / "m.xyz").points, there.points, atol=2e-3)
    again = ["register", tmp_path / "a.ply", tmp_path / "b.ply", "--output", tmp_path / "m.xyz"]
    assert "exists already" in sentence(capsys, again)
    found = json.loads(said(capsys, ["register", tmp_path / "a.ply", tmp_path / "b.ply", "--json"], 0).out)
    assert torch.allclose(torch.tensor(found["matrix"])[:3, :3], turn, atol=2e-3)
    assert found["angle"] == pytest.approx(0.7, abs=2e-3)
    near = ["register", tmp_path / "m.xyz", tmp_path / "b.ply", "--near", "--json"]
    assert json.loads(said(capsys, near, 0).out)["angle"] < 2e-3
