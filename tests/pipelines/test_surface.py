"""Points and scenes to meshes."""

import pytest
import torch
from torch.nn.functional import normalize

from geokit.errors import InvalidInput, MissingDependency
from geokit.geometry import PointCloud
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh, save_mesh
from geokit.io.point_clouds import save_points
from geokit.pipelines.observer import Observer
from geokit.pipelines.surface import make_surface


@pytest.fixture(scope="module", autouse=True)
def needs_open3d():
    from geokit.backend.optional import open3d

    try:
        open3d("these tests")
    except MissingDependency as error:
        pytest.skip(str(error))


class Ear(Observer):
    def __init__(self):
        self.heard = []

    def phase(self, text):
        self.heard.append(text)

    def count(self, text, done, total):
        self.heard.append((text, done, total))


@pytest.fixture
def points(tmp_path):
    normals = normalize(torch.randn(800, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    save_points(tmp_path / "points.ply", PointCloud(normals, normals.abs()))
    return tmp_path / "points.ply"


def test_points_become_a_closed_coloured_mesh(points, tmp_path):
    ear = Ear()
    made = make_surface(points, tmp_path / "new" / "surface.ply", depth=5, observer=ear)
    again = load_mesh(made.output)
    assert made.watertight
    assert made.method == "poisson"
    assert made.inputs == 800
    assert len(again) == len(made.mesh)
    assert again.colors is not None
    assert again.volume() == pytest.approx(4.19, rel=0.05)
    assert any("800 points" in str(text) for text in ear.heard)


def test_simplified_and_overwritten_only_when_asked(points, tmp_path):
    output = tmp_path / "surface.obj"
    output.write_text("mine")
    with pytest.raises(InvalidInput, match="exists already"):
        make_surface(points, output)
    assert output.read_text() == "mine"
    made = make_surface(points, output, depth=5, faces=500, overwrite=True)
    assert 400 <= len(made.mesh) <= 510
    assert len(load_mesh(output)) == len(made.mesh)


def test_a_run_becomes_a_mesh_with_colours(run, tmp_path):
    ear = Ear()
    made = make_surface(run, tmp_path / "scene.glb", voxel=0.1, observer=ear)
    assert made.method == "fusion"
    assert made.inputs == 8
    assert made.mesh.colors is not None
    assert ("Fusing depth", 8, 8) in ear.heard
    alone = make_surface(run / "splats.ply", tmp_path / "again.ply", voxel=0.1)
    assert len(alone.mesh) == len(made.mesh)


def test_options_and_inputs_that_cannot_be(points, run, tmp_path):
    for options, words in (({"voxel": 0.1}, "--voxel is for splats"), ({"faces": 2}, "at least 4")):
        with pytest.raises(InvalidInput, match=words):
            make_surface(points, tmp_path / "x.ply", **options)
    with pytest.raises(InvalidInput, match="--depth is for points"):
        make_surface(run, tmp_path / "x.ply", depth=7)
    with pytest.raises(InvalidInput, match="does not end like a mesh"):
        make_surface(points, tmp_path / "x.png")
    save_mesh(tmp_path / "m.obj", Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 2]])))
    with pytest.raises(InvalidInput, match="is a mesh already"):
        make_surface(tmp_path / "m.obj", tmp_path / "x.ply")
    bare = tmp_path / "bare.ply"
    bare.write_bytes((run / "splats.ply").read_bytes())
    with pytest.raises(InvalidInput, match="seen from cameras"):
        make_surface(bare, tmp_path / "x.ply")
    assert not (tmp_path / "x.ply").exists()
