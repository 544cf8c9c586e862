"""info, convert and compare on meshes and points."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.io import save_splats
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.point_clouds import load_points, save_points
from geokit.pipelines.compare import compare
from geokit.pipelines.convert import convert
from geokit.pipelines.histogram import draw_histogram, ticks
from geokit.pipelines.info import describe
from geokit.pipelines.shape_facts import distinct_places
from tests.io.builders import random_splats
from tests.io.hostile import cloud

CUBE = [[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)]
SIDES = [
    [0, 1, 3],
    [0, 3, 2],
    [4, 6, 7],
    [4, 7, 5],
    [0, 4, 5],
    [0, 5, 1],
    [2, 3, 7],
    [2, 7, 6],
    [0, 2, 6],
    [0, 6, 4],
    [1, 5, 7],
    [1, 7, 3],
]


def cube(**fields: torch.Tensor) -> Mesh:
    return Mesh(torch.tensor(CUBE), torch.tensor(SIDES), **fields)


def colored() -> Mesh:
    g = torch.Generator().manual_seed(0)
    shades = torch.randint(0, 256, (8, 3), generator=g) / 255
    return cube(colors=shades, normals=cube().vertex_normals())


def textured() -> Mesh:
    g = torch.Generator().manual_seed(1)
    return cube(uv=torch.rand(12, 3, 2, generator=g), texture=torch.rand(4, 4, 3, generator=g))


def test_info_of_a_cube(tmp_path):
    save_mesh(tmp_path / "a.ply", colored())
    found = describe(tmp_path / "a.ply")
    assert (found["kind"], found["vertices"], found["faces"], found["edges"]) == ("mesh", 8, 12, 18)
    assert found["watertight"]
    assert found["manifold"]
    assert (found["euler_characteristic"], found["genus"], found["components"]) == (2, 0, 1)
    assert (found["area"], found["volume"]) == (pytest.approx(6), pytest.approx(1))
    assert (found["bounds"], found["size"]) == ([[0, 0, 0], [1, 1, 1]], [1, 1, 1])
    assert (found["normals"], found["colors"], found["uv"], found["texture"]) == (True, True, False, None)
    assert found["problems"] == []
    assert found["format"] == ".ply, binary little endian"
    json.dumps(found, allow_nan=False)


def test_info_names_problems(tmp_path):
    vertices = torch.cat([torch.tensor(CUBE), torch.tensor([[0.0, 0, 0], [5, 5, 5]])])
    faces = [*SIDES[1:], [3, 1, 8], [0, 0, 1], SIDES[1]]  # turned round, with a doubled vertex; flat; twice
    save_mesh(tmp_path / "a.ply", Mesh(vertices, torch.tensor(faces)))
    found = describe(tmp_path / "a.ply")
    assert (found["duplicate_vertices"], found["unreferenced_vertices"]) == (1, 1)
    assert (found["degenerate_faces"], found["duplicate_faces"]) == (1, 1)
    assert not found["watertight"]
    assert found["volume"] is None
    assert len(found["problems"]) >= 4
    save_mesh(tmp_path / "b.ply", Mesh(torch.tensor(CUBE), torch.tensor(SIDES).flip(1)))
    assert describe(tmp_path / "b.ply")["problems"] == ["the faces look inward (the volume is negative)"]
    turned = torch.tensor([SIDES[0][::-1], *SIDES[1:]])
    save_mesh(tmp_path / "c.ply", Mesh(torch.tensor(CUBE), turned))
    assert describe(tmp_path / "c.ply")["flipped_edges"] == 3
    save_mesh(tmp_path / "d.ply", Mesh(torch.tensor(CUBE), torch.tensor(SIDES[:-2])))
    found = describe(tmp_path / "d.ply")
    assert (found["boundary_loops"], found["boundary_edges"], found["watertight"]) == (1, 4, False)


def test_vertices_at_one_place_count_as_joined(tmp_path):
    apart = cube()
    apart = Mesh(apart.corners.reshape(-1, 3), torch.arange(36).reshape(-1, 3))
    save_mesh(tmp_path / "a.ply", apart)
    found = describe(tmp_path / "a.ply")
    assert (found["vertices"], found["duplicate_vertices"], found["watertight"]) == (36, 28, True)
    assert found["volume"] == pytest.approx(1)


def test_values_that_are_not_finite_are_told(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv nan 0 0\nf 1 2 3\nf 2 3 4\n"
    (tmp_path / "a.obj").write_text(text)
    found = describe(tmp_path / "a.obj")
    assert found["faces"] == 1
    assert any("not finite" in problem for problem in found["problems"])
    (tmp_path / "a.xyz").write_text("1 2 3\nnan 5 6\n1 2 4\n")
    found = describe(tmp_path / "a.xyz")
    assert (found["points"], found["problems"]) == (2, ["left out 1 points with NaN or infinite values"])
    with pytest.raises(UnreadableFile, match="--drop-nonfinite"):
        convert(tmp_path / "a.xyz", tmp_path / "b.ply")
    assert len(convert(tmp_path / "a.xyz", tmp_path / "b.ply", drop_nonfinite=True)[0]) == 2
    header = "ply\nformat ascii 1.0\nelement vertex 2\n" + "".join(f"property float {c}\n" for c in "xyz")
    (tmp_path / "a.ply").write_text(header + "end_header\n0 0 0\nnan 0 0\n")
    assert describe(tmp_path / "a.ply")["problems"] == ["left out 1 points with NaN or infinite values"]  # once


def test_info_of_points(tmp_path):
    grid = torch.cartesian_prod(*[torch.arange(5.0)] * 3) + torch.tensor([600_000, 5_000_000, 0], dtype=torch.float64)
    doubled = torch.cat([grid, grid[:2]])
    save_points(tmp_path / "a.pcd", PointCloud(doubled, features=torch.arange(127.0)[:, None]), ["intensity"])
    found = describe(tmp_path / "a.pcd")
    assert (found["kind"], found["points"], found["precision"]) == ("points", 127, "float64")
    assert found["spacing"] == 1
    assert found["bounds"][0] == [600_000, 5_000_000, 0]
    assert (found["scalars"], found["duplicate_points"]) == (["intensity"], 2)
    assert (found["colors"], found["normals"], found["format"]) == (False, False, ".pcd, binary")
    save_points(tmp_path / "a.las", cloud(10, normals=False))
    found = describe(tmp_path / "a.las")
    assert found["format"] == ".las, version 1.2, point format 2"
    assert "metre" in found["unit"]
    save_points(tmp_path / "none.ply", PointCloud(torch.zeros(0, 3)))
    found = describe(tmp_path / "none.ply")
    assert (found["points"], found["bounds"], found["spacing"]) == (0, None, None)
    json.dumps(found, allow_nan=False)


def test_distinct_places():
    points = torch.tensor([[1.0, 2, 3], [0, 0, 0], [1, 2, 3], [1, 2, 4], [-0.0, 0, 0]])
    count, numbers = distinct_places(points)
    assert count == 3
    assert numbers[0] == numbers[2]
    assert numbers[1] == numbers[4]
    assert len(numbers.unique()) == 3


@pytest.mark.parametrize("ending", [".ply", ".obj", ".off", ".stl", ".glb"])
def test_meshes_there_and_back(tmp_path, ending):
    save_mesh(tmp_path / "a.ply", colored())
    written, lost = convert(tmp_path / "a.ply", tmp_path / f"b{ending}")
    assert isinstance(written, Mesh)
    assert bool(lost) == (ending == ".stl")
    back = load_mesh(tmp_path / f"b{ending}")
    assert (len(back.vertices), len(back)) == (8, 12)
    assert back.volume() == pytest.approx(1)
    if ending != ".stl":
        assert torch.allclose(back.colors, colored().colors, atol=1e-6)


def test_what_a_format_cannot_hold_is_said(tmp_path):
    save_mesh(tmp_path / "a.glb", textured())
    for ending, words in (
        (".ply", "no texture"),
        (".stl", "no texture"),
        (".off", "no texture"),
        (".obj", ""),
        (".xyz", "faces and texture of the mesh"),
    ):
        _, lost = convert(tmp_path / "a.glb", tmp_path / f"b{ending}")
        assert words in " ".join(lost)
        assert bool(lost) == bool(words)
    assert "doubled along its seams" in " ".join(convert(tmp_path / "a.glb", tmp_path / "again.glb")[1])
    save_mesh(tmp_path / "c.ply", colored())
    assert "vertex normals and colours" in convert(tmp_path / "c.ply", tmp_path / "d.stl")[1][0]
    assert "no vertex normals" in " ".join(convert(tmp_path / "c.ply", tmp_path / "d.laz")[1])
    far = Mesh(torch.tensor(CUBE).double() + 5e6, torch.tensor(SIDES))
    save_mesh(tmp_path / "far.ply", far)
    assert "single precision" in convert(tmp_path / "far.ply", tmp_path / "far.glb")[1][0]
    assert convert(tmp_path / "far.ply", tmp_path / "far.obj")[1] == []
    assert torch.equal(load_mesh(tmp_path / "far.obj").vertices, far.vertices)


@pytest.mark.parametrize("ending", [".ply", ".xyz", ".csv", ".pcd", ".las", ".laz", ".e57", ".npz"])
def test_points_there_and_back(tmp_path, ending):
    there = cloud(40, dtype=torch.float64).replace(features=torch.arange(40.0, dtype=torch.float64)[:, None])
    save_points(tmp_path / "a.pcd", there, ["heat"])
    written, lost = convert(tmp_path / "a.pcd", tmp_path / f"b{ending}")
    assert isinstance(written, PointCloud)
    back = load_points(tmp_path / f"b{ending}", features=True)
    assert torch.allclose(back.points.double(), there.points, atol=1e-6)
    assert torch.allclose(back.colors.double(), there.colors, atol=1e-6)
    if ending in (".las", ".laz", ".e57"):
        assert "other scalars" in " ".join(lost)
    else:
        assert lost == []
        assert torch.equal(back.features.double(), there.features)
    if ending in (".ply", ".xyz", ".csv"):
        assert b"heat" in (tmp_path / f"b{ending}").read_bytes()


def test_splats_become_points_but_no_mesh(tmp_path):
    splats = random_splats(30, degree=1)
    save_splats(tmp_path / "a.ply", splats)
    written, lost = convert(tmp_path / "a.ply", tmp_path / "b.xyz")
    assert isinstance(written, PointCloud)
    assert torch.equal(load_points(tmp_path / "b.xyz").points, splats.means)
    assert "only centres and colours" in lost[0]
    for ending, words in ((".glb", "no faces"), (".stl", "no faces")):
        with pytest.raises(InvalidInput, match=words):
            convert(tmp_path / "a.ply", tmp_path / f"b{ending}")


def test_refusals(tmp_path):
    save_points(tmp_path / "a.xyz", cloud(5))
    save_mesh(tmp_path / "a.stl", cube())
    for source, target, words in (
        ("a.xyz", "b.stl", "points without faces"),
        ("a.xyz", "b.spz", "format of splats"),
        ("a.stl", "b.splat", "holds a mesh"),
        ("a.stl", "b.gltf", "does not end like"),
        ("a.stl", "b", "does not end like"),
        ("a.xyz", "a.stl", "exists already"),
    ):
        with pytest.raises(InvalidInput, match=words):
            convert(tmp_path / source, tmp_path / target)
    (tmp_path / "a.blend").write_bytes(b"BLENDER")
    for verb in (describe, lambda path: convert(path, tmp_path / "c.ply"), lambda path: compare(path, path)):
        with pytest.raises(InvalidInput, match="no kind that geokit knows"):
            verb(tmp_path / "a.blend")
        with pytest.raises(UnreadableFile, match="does not exist"):
            verb(tmp_path / "none.stl")
    assert not (tmp_path / "b.stl").exists()


def test_compare_writes_what_it_measured(tmp_path):
    save_mesh(tmp_path / "a.ply", cube())
    save_mesh(tmp_path / "b.stl", cube().replace(vertices=torch.tensor(CUBE) + torch.tensor([0, 0, 0.1])))
    found = compare(tmp_path / "a.ply", tmp_path / "b.stl", tmp_path / "out", count=2000)
    assert found.figures.hausdorff == pytest.approx(0.1, abs=1e-6)
    told = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert told["hausdorff"] == found.figures.hausdorff
    assert told["accuracy"]["mean"] == found.figures.accuracy.mean
    errors = load_mesh(tmp_path / "out" / "errors_first.ply")
    assert torch.equal(errors.faces, cube().faces)
    assert len(errors.colors.unique(dim=0)) == 2  # four corners on the other cube, four a tenth away
    assert Image.open(tmp_path / "out" / "histogram.png").size == (1200, 806)
    with pytest.raises(InvalidInput, match="holds errors_first"):
        compare(tmp_path / "a.ply", tmp_path / "b.stl", tmp_path / "out")
    again = compare(tmp_path / "a.ply", tmp_path / "b.stl", tmp_path / "out", count=2000, overwrite=True)
    assert again.figures == found.figures


def test_compare_of_points_and_of_equal_shapes(tmp_path):
    save_points(tmp_path / "a.xyz", PointCloud(torch.tensor(CUBE)))
    save_mesh(tmp_path / "b.ply", cube())
    found = compare(tmp_path / "a.xyz", tmp_path / "b.ply", tmp_path / "out")
    assert found.figures.accuracy.maximum == 0
    assert len(load_points(tmp_path / "out" / "errors_first.ply")) == 8
    same = compare(tmp_path / "b.ply", tmp_path / "b.ply", tmp_path / "same")
    assert same.figures.f_score == 1
    save_splats(tmp_path / "s.spz", random_splats(5))
    with pytest.raises(InvalidInput, match="holds splats"):
        compare(tmp_path / "s.spz", tmp_path / "b.ply")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InvalidInput, match="is a file"):
        compare(tmp_path / "b.ply", tmp_path / "b.ply", tmp_path / "file")


def test_histograms_of_odd_errors():
    for errors in (torch.zeros(5), torch.tensor([1e-30]), torch.tensor([1.0, 1e30]), torch.rand(1000)):
        picture = draw_histogram([("a", errors)], float(errors.max()) or 1.0, 0.1)
        assert picture.shape == (426, 1200, 3)
        packed = picture.numpy().astype(np.int32) @ [1, 256, 65536]
        assert len(np.unique(packed)) > 5
    assert ticks(1.0, 5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(math.nan, 5) == ticks(0, 5) == [0]
