"""Every file of the folder io_dev: read with the counts that its format gives it, or refused with its reason.

The table was made by looking at each file, not at what other readers make of it. Where they differ: vertices are those
that the file lists (no reader's splitting at seams, no merging), corners of .stl are merged where they are equal,
polygons of n corners are n - 2 triangles. An empty .ply or .stl that declares itself complete is an empty mesh; an .obj
without vertices has nothing that makes it one. A library of materials is no shape.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from geokit.errors import UnreadableFile
from geokit.geometry import PointCloud, Splats
from geokit.geometry.mesh import Mesh
from geokit.io.shapes import load_shape

MESHES = {
    "assimp/OBJ_box.obj": (8, 12),  # 6 quadrilaterals
    "assimp/OBJ_cube_with_vertexcolors.obj": (8, 12),
    "assimp/OBJ_multiple_spaces.obj": (4, 1),
    "assimp/OFF_Cube.off": (8, 12),  # 6 quadrilaterals
    "assimp/PLY_cube_binary.ply": (8, 12),
    "assimp/STL_triangle.stl": (3, 1),
    "made/good_binary.stl": (6, 2),
    "made/good_binary_le.ply": (8, 4),
    "made/isolated_vertex.off": (4, 1),
    "trimesh/7_8ths_cube.stl": (14, 24),
    "trimesh/Duck.glb": (2399, 4212),
    "trimesh/ballA.off": (1900, 3796),
    "trimesh/bunny.ply": (8171, 16301),
    "trimesh/cube.OBJ": (8, 12),
    "trimesh/cube.glb": (8, 12),
    "trimesh/cube_blender_uv.ply": (24, 12),  # 6 quadrilaterals
    "trimesh/emptyIO_ply_empty_ascii.ply": (0, 0),
    "trimesh/emptyIO_ply_empty_bin.ply": (0, 0),
    "trimesh/emptyIO_stl_empty_ascii.stl": (0, 0),
    "trimesh/fandisk.obj": (2877, 5750),
    "trimesh/fixed_top.ply": (2374, 4772),
    "trimesh/fuze.ply": (502, 1000),
    "trimesh/ico4.obj": (642, 1280),
    "trimesh/joined_tetrahedra.obj": (5, 8),
    "trimesh/monkey.glb": (1966, 968),
    "trimesh/negative_indices.obj": (8, 12),
    "trimesh/noimg.obj": (502, 1000),
    "trimesh/not_convex.obj": (288, 96),
    "trimesh/plane.ply": (4, 2),  # a quadrilateral
    "trimesh/rabbit.obj": (644, 1252),  # 176 triangles, 496 quadrilaterals, 6 polygons of 16
    "trimesh/reference.ply": (845, 1610),
    "trimesh/round.stl": (560, 1120),
    "trimesh/sphere.ply": (642, 1280),
    "trimesh/teapot.stl": (480, 894),
    "trimesh/tet.ply": (4, 4),
    "trimesh/textured_tetrahedron.obj": (4, 4),
    "trimesh/two_objects.obj": (12, 16),
}
POINTS = {
    "assimp/PLY_points.ply": 4,
    "made/points_ascii.pcd": 50,
    "made/points_pf3.las": 200,
    "trimesh/emptyIO_ply_points_ascii.ply": 8,
    "trimesh/points_ascii.ply": 5,
    "trimesh/points_cloudcompare.xyz": 101,
}
SPLATS = {"made/gaussians_400.splat": 400, "made/gaussians_sh3_500.ply": 500}
REFUSED = {
    "assimp/invalid_empty.obj": "lists no vertices",
    "assimp/invalid_empty.ply": "does not begin with 'ply'",
    "made/face_index_out_of_range.ply": "names the vertex 99, but there are 8",
    "made/index_out_of_range.obj": "an index that names nothing in line 4",
    "made/truncated_binary.ply": "promises 4 of face but number 2",
    "trimesh/emptyIO_obj_empty.obj": "lists no vertices",
    "trimesh/ico4.mtl": "the materials of an .obj",
    "trimesh/rabbit.mtl": "the materials of an .obj",
}
MEASURE = """
import json, resource, sys, time
from geokit.errors import UnreadableFile
from geokit.io.shapes import load_shape
def held():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for name in sys.argv[1:]:
    before, start = held(), time.perf_counter()
    try:
        load_shape(name)
        said = None
    except UnreadableFile as error:
        said = str(error)
    print(json.dumps([name, said, time.perf_counter() - start, held() - before]), flush=True)
"""


@pytest.fixture(scope="module")
def folder(data_folder: Path) -> Path:
    return data_folder / "io_dev"


pytestmark = [pytest.mark.data, pytest.mark.filterwarnings("ignore::UserWarning")]


def test_the_table_names_every_file(folder: Path) -> None:
    named = {*MESHES, *POINTS, *SPLATS, *REFUSED}
    assert named == set(json.loads((folder / "expected.json").read_text()))


@pytest.mark.parametrize("name", MESHES)
def test_meshes(folder: Path, name: str) -> None:
    mesh = load_shape(folder / name)
    assert isinstance(mesh, Mesh)
    assert (len(mesh.vertices), len(mesh)) == MESHES[name]


@pytest.mark.parametrize("name", POINTS)
def test_points(folder: Path, name: str) -> None:
    if name.endswith(".las"):
        pytest.importorskip("laspy")
    cloud = load_shape(folder / name)
    assert isinstance(cloud, PointCloud)
    assert len(cloud) == POINTS[name]


@pytest.mark.parametrize("name", SPLATS)
def test_splats(folder: Path, name: str) -> None:
    splats = load_shape(folder / name)
    assert isinstance(splats, Splats)
    assert len(splats) == SPLATS[name]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(folder: Path, name: str) -> None:
    with pytest.raises(UnreadableFile, match=REFUSED[name]) as caught:
        load_shape(folder / name)
    assert str(folder / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refusals_take_neither_time_nor_memory(folder: Path) -> None:
    files = [str(folder / name) for name in REFUSED]
    warm = str(folder / "made/good_binary_le.ply")  # what is imported at the first use is not counted
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, warm, *files], capture_output=True, text=True, check=True, timeout=120,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(measured) == 1 + len(files)
    for name, said, seconds, memory in measured[1:]:
        assert said is not None
        assert seconds < 1, name
        assert memory < 10 * Path(name).stat().st_size + 64e6, name


def test_details_that_others_lose(folder: Path) -> None:
    colored = load_shape(folder / "assimp/OBJ_cube_with_vertexcolors.obj")
    assert colored.colors[0].tolist() == pytest.approx([0.48627, 0.43137, 0.47059])
    duck = load_shape(folder / "trimesh/Duck.glb")  # the node's scale of 0.01 is applied
    assert duck.extent == pytest.approx(2.5, rel=0.1)
    assert duck.texture.shape[2] == 3
    assert duck.uv.shape == (4212, 3, 2)
    plane = load_shape(folder / "trimesh/plane.ply")
    assert plane.uv.amin() == 0
    assert plane.uv.amax() == 1
    assert load_shape(folder / "trimesh/round.stl").volume() > 0


@pytest.mark.parametrize(
    ("name", "vertices", "faces"),
    [
        ("bun_zipper.ply", 35947, 69451),
        ("igea.ply", 134345, 268686),  # closed, of genus 0: F = 2 V - 4
        ("scan_bun000.ply", 40256, 78505),
        ("scan_bun045.ply", 40097, 77841),
        ("armadillo.obj", 43243, 86482),
    ],
)
def test_real_meshes_whole(data_folder: Path, name: str, vertices: int, faces: int) -> None:
    mesh = load_shape(data_folder / "meshes" / name)
    assert (len(mesh.vertices), len(mesh)) == (vertices, faces)
    if name.startswith("scan"):  # a scanner sees the side that the faces turn to it
        assert mesh.face_normals()[:, 2].mean() > 0.5
