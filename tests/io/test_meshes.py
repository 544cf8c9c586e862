"""What holds for all formats of meshes."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.geometry import PointCloud, Splats
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.shapes import load_shape
from geokit.io.splat_files import save_splats
from tests.io.builders import mesh_seeds, ply_bytes, random_splats, tetrahedron

ENDINGS = (".ply", ".obj", ".stl", ".off", ".glb")


def soup(vertices: int, faces: int, seed: int, dtype: torch.dtype = torch.float32) -> Mesh:
    """Random triangles, among them degenerate ones, and vertices that none uses."""
    g = torch.Generator().manual_seed(seed)
    count = faces if vertices else 0
    return Mesh(
        torch.randn(vertices, 3, generator=g, dtype=dtype) * 100,
        torch.randint(0, max(vertices, 1), (count, 3), generator=g),
        torch.nn.functional.normalize(torch.randn(vertices, 3, generator=g, dtype=dtype), dim=1),
        torch.randint(0, 256, (vertices, 3), generator=g).to(dtype) / 255,
        torch.rand(count, 3, 2, generator=g, dtype=dtype),
    )


@pytest.mark.parametrize("ending", [".ply", ".off", ".obj", ".glb"])
@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_there_and_back(tmp_path_factory, ending: str, vertices: int, faces: int, seed: int) -> None:
    path, mesh = tmp_path_factory.mktemp("there") / f"a{ending}", soup(vertices, faces, seed)
    save_mesh(path, mesh)
    back = load_mesh(path)
    assert torch.equal(back.corners, mesh.corners)
    if ending != ".glb":  # which splits vertices at seams
        assert torch.equal(back.faces, mesh.faces)
        assert torch.equal(back.vertices, mesh.vertices)
        assert torch.allclose(back.colors, mesh.colors, atol=1e-6)
    if ending != ".off":
        assert torch.allclose(back.uv, mesh.uv, atol=1e-6)
    if ending == ".ply" or (ending == ".off"):
        assert torch.allclose(back.normals, mesh.normals, atol=1e-6)


def test_stl_keeps_triangles_and_joins_them(tmp_path: Path) -> None:
    mesh = tetrahedron()
    save_mesh(tmp_path / "a.stl", mesh)
    back = load_mesh(tmp_path / "a.stl")
    assert len(back.vertices) == 4
    assert torch.equal(back.corners, mesh.corners)
    assert back.volume() == pytest.approx(1 / 6)


@pytest.mark.parametrize("ending", [".ply", ".obj", ".off"])
def test_doubles_keep_their_digits(tmp_path: Path, ending: str) -> None:
    mesh = soup(9, 5, 1, torch.float64)
    mesh = mesh.replace(vertices=mesh.vertices + torch.tensor([600_000.0, 5_000_000, 0], dtype=torch.float64))
    save_mesh(tmp_path / f"a{ending}", mesh)
    back = load_mesh(tmp_path / f"a{ending}")
    assert back.vertices.dtype == torch.float64
    assert torch.equal(back.vertices, mesh.vertices)


@pytest.mark.parametrize("ending", [".obj", ".glb"])
def test_textures_there_and_back(tmp_path: Path, ending: str) -> None:
    mesh = tetrahedron(uv=True, texture=True)
    save_mesh(tmp_path / f"a{ending}", mesh)
    back = load_mesh(tmp_path / f"a{ending}")
    assert torch.allclose(back.texture, mesh.texture, atol=1e-6)
    assert torch.allclose(back.uv, mesh.uv, atol=1e-6)


@pytest.mark.parametrize("ending", ENDINGS)
def test_other_libraries_read_what_is_written(tmp_path: Path, ending: str) -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = tetrahedron(uv=ending not in (".off", ".stl"), colors=ending != ".stl")
    save_mesh(tmp_path / f"a{ending}", mesh)
    other = trimesh.load(tmp_path / f"a{ending}", force="mesh", process=False)
    ours, theirs = mesh.corners.numpy(), np.asarray(other.vertices)[np.asarray(other.faces)]
    assert np.allclose(np.sort(ours.reshape(4, -1)), np.sort(theirs.reshape(4, -1)), atol=1e-6)


@pytest.mark.parametrize("ending", [".ply", ".stl"])
def test_an_empty_mesh(tmp_path: Path, ending: str) -> None:
    save_mesh(tmp_path / f"a{ending}", Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)))
    assert len(load_mesh(tmp_path / f"a{ending}")) == 0
    assert isinstance(load_shape(tmp_path / f"a{ending}"), Mesh)


def test_upper_case_endings(tmp_path: Path) -> None:
    for ending in ENDINGS:
        save_mesh(tmp_path / f"a{ending.upper()}", tetrahedron())
        assert len(load_shape(tmp_path / f"a{ending.upper()}")) == 4


def test_the_content_decides_what_a_ply_is(tmp_path: Path) -> None:
    save_mesh(tmp_path / "mesh.ply", tetrahedron())
    save_splats(tmp_path / "splats.ply", random_splats())
    lines = ["element vertex 1", *(f"property float {n}" for n in "xyz")]
    (tmp_path / "points.ply").write_bytes(ply_bytes("ascii", lines, [("3f", (1, 2, 3))]))
    assert isinstance(load_shape(tmp_path / "mesh.ply"), Mesh)
    assert isinstance(load_shape(tmp_path / "splats.ply"), Splats)
    assert isinstance(load_shape(tmp_path / "points.ply"), PointCloud)
    with pytest.raises(UnreadableFile, match="1 points and no faces"):
        load_mesh(tmp_path / "points.ply")
    (tmp_path / "points.obj").write_text("v 1 2 3\nv 4 5 6\n")
    assert isinstance(load_shape(tmp_path / "points.obj"), PointCloud)


@pytest.mark.parametrize(
    ("name", "seed", "match"),
    [
        ("a.ply", "mesh.stl", "ends in .ply but is a binary .stl; rename it to end in .stl"),
        ("a.ply", "text.stl", "but is an .stl"),
        ("a.ply", "mesh.obj", "but is an .obj"),
        ("a.stl", "mesh.ply", "but is a .ply"),
        ("a.obj", "mesh.ply", "but is a .ply"),
        ("a.off", "mesh.glb", "but is a .glb"),
        ("a.glb", "colored.off", "but is an .off"),
        ("a.xyz", "text.stl", "but is an .stl"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, seed: str, match: str) -> None:
    (tmp_path / name).write_bytes(mesh_seeds(tmp_path)[seed])
    with pytest.raises(UnreadableFile, match=match) as caught:
        load_shape(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_what_downloads_leave_behind(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    (tmp_path / "a.obj").write_bytes(b"<!DOCTYPE html><html>404</html>")
    (tmp_path / "a.stl").write_bytes(b"PK\x03\x04" + b"\0" * 99)
    for name, match in [("a.ply", "git lfs pull"), ("a.obj", "failed download"), ("a.stl", "a zip archive")]:
        with pytest.raises(UnreadableFile, match=match):
            load_shape(tmp_path / name)


def test_endings_that_are_none(tmp_path: Path) -> None:
    for name in ("a.blend", "a", "a.mtl"):
        (tmp_path / name).write_bytes(b"x")
        for load in (load_mesh, load_shape):
            with pytest.raises(UnreadableFile, match=r"ends in .*end in \.ply, \.obj"):
                load(tmp_path / name)
        with pytest.raises(InvalidInput, match="written as"):
            save_mesh(tmp_path / name, tetrahedron())
    with pytest.raises(UnreadableFile, match="does not exist"):
        load_shape(tmp_path / "none.obj")


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_vertices_that_are_not_finite(tmp_path: Path, word: str) -> None:
    (tmp_path / "a.obj").write_text(f"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 {word} 0\nf 1 2 4\nf 1 2 3\n")
    with pytest.raises(UnreadableFile, match=r"has 1 of 4 vertices with NaN .* number 3 .*drop_nonfinite=True"):
        load_mesh(tmp_path / "a.obj")
    with pytest.warns(UserWarning, match="left out 1 vertices .* and 1 faces"):
        mesh = load_mesh(tmp_path / "a.obj", drop_nonfinite=True)
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert len(mesh.vertices) == 3


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch) -> None:
    import os

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for ending in ENDINGS:
        path = tmp_path / f"a{ending}"
        save_mesh(path, tetrahedron())
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(GeokitError, match="No space left"):
                save_mesh(path, tetrahedron(colors=True))
        assert path.read_bytes() == before


CUT = ("mesh.ply", "polygons_ascii.ply", "polygons_binary_big_endian.ply", "strips.ply", "grid.ply", "mesh.stl")


@pytest.mark.parametrize(
    "name", [*CUT, "text.stl", "mesh.off", "colored.off", "polygons.obj", "embedded.gltf", "mesh.glb"]
)
def test_cut_off_at_every_byte(tmp_path: Path, name: str) -> None:
    """A shorter file is refused, or read as fewer whole things where the format cannot know: never anything else."""
    whole = mesh_seeds(tmp_path)[name]
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(whole)
        faces = len(load_mesh(path))
        assert faces
        refused: list[str] = []
        for end in range(0, len(whole), 1 + len(whole) // 400):
            path.write_bytes(whole[:end])
            try:
                mesh = load_mesh(path)
            except UnreadableFile as error:
                refused.append(str(error))
                continue
            text_end = "ascii" in name or name in ("grid.ply", "mesh.off", "colored.off", "text.stl")
            assert name.endswith(".obj") or (text_end and end >= len(whole) - 12), end
            assert len(mesh) <= faces
    assert refused
    assert all(str(path) in sentence and "\n" not in sentence for sentence in refused)


@pytest.mark.parametrize("ending", [".ply", ".obj", ".stl", ".off", ".glb"])
def test_what_is_read_can_be_changed(tmp_path: Path, ending: str) -> None:
    save_mesh(tmp_path / f"a{ending}", tetrahedron())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mesh = load_mesh(tmp_path / f"a{ending}")
    mesh.vertices.add_(1)
    mesh.faces.clamp_(0)


def test_what_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    vertices, faces = torch.eye(3), torch.tensor([[0, 1, 2]])
    mesh = Mesh(vertices, faces, vertices, vertices, torch.rand(1, 3, 2), torch.rand(2, 2, 3))
    lost = {".ply": "texture", ".off": "uv and texture", ".stl": "normals and colors and uv and texture"}
    for ending, names in lost.items():
        with pytest.warns(UserWarning, match=f"cannot hold {names};"):
            save_mesh(tmp_path / f"a{ending}", mesh)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ending in (".obj", ".glb"):
            save_mesh(tmp_path / f"a{ending}", mesh)
    with pytest.raises(InvalidInput, match="cannot hold a mesh without faces"):
        save_mesh(tmp_path / "none.glb", Mesh(vertices, faces[:0]))
    assert not (tmp_path / "none.glb").exists()
