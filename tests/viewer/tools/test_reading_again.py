"""A file that has changed is read again: shape, numbers, names, turned as the scene is; and that can be undone."""

from pathlib import Path

import pytest
import torch
from geokit.viewer.content import layers_of
from geokit.viewer.layers.layer import Layer
from geokit.viewer.tools.save import read_again, save_layer

from geokit.errors import InvalidInput, UnreadableFile
from geokit.fields.storage import save_field
from geokit.fields.surface_fit import fit_points
from geokit.geometry import Cameras, Mesh, PointCloud, Splats
from geokit.io import save_splats
from geokit.io.meshes import save_mesh
from geokit.io.point_clouds import save_points
from geokit.pipelines.match import match_files
from geokit.pipelines.open_shape import open_shape
from geokit.pipelines.reconstruct import reconstruct
from geokit.pipelines.run_folder import RunFolder
from tests.pipelines.synthetic import QUICK, write_capture
from tests.viewer.tools.scenes import ball, cloud, press, splats


def test_a_file_is_read_again_and_that_can_be_undone(viewer, tmp_path):
    path = tmp_path / "scan.ply"
    save_points(path, cloud(100))
    viewer.add(*layers_of(path))
    (layer,) = viewer.layers.values()
    tool = viewer.parts["SaveTool"]
    assert tool.reload.visible
    save_points(path, cloud(50, seed=1))
    press(tool, tool.reload)
    assert len(layer.shape) == 50
    assert viewer.undo() == "read scan again"
    assert len(layer.shape) == 100
    path.unlink()
    said = []
    viewer.notify = lambda client, text, bad=False: said.append((text, bad))
    press(tool, tool.reload)
    assert said[-1][1]
    assert "does not exist" in said[-1][0]
    assert len(layer.shape) == 100


def test_a_file_that_holds_something_else_now_is_refused(tmp_path):
    path = tmp_path / "scan.ply"
    save_points(path, cloud(100))
    (layer,) = layers_of(path)
    save_splats(path, splats(10))
    with pytest.raises(UnreadableFile, match="holds a Splats now"):
        read_again(layer)


def test_points_with_other_features_can_be_read_again(viewer, tmp_path):
    path = tmp_path / "scan.ply"
    save_points(path, cloud(100, features=3), ["a", "b", "c"])
    viewer.add(*layers_of(path))
    (layer,) = viewer.layers.values()
    layer.attribute = "c"
    save_points(path, cloud(60, seed=2, features=1), ["a"])
    press(viewer.parts["SaveTool"], viewer.parts["SaveTool"].reload)
    assert len(layer.shape) == 60
    assert layer.colors().shape == (60, 3)
    save_layer(layer, tmp_path / "again.ply")


def test_names_of_features_and_numbers_of_vertices_are_read_again_and_undone(viewer, tmp_path):
    path, mesh_path = tmp_path / "scan.ply", tmp_path / "ball.ply"
    save_points(path, cloud(50, features=2), ["heat", "age"])
    save_ply_with(mesh_path, ball(level=0), "heat", 1.0)
    viewer.add(*layers_of(path), *layers_of(mesh_path))
    points, mesh = viewer.layers.values()
    before = dict(mesh.attributes)
    save_points(path, cloud(50, features=2), ["wind", "rain"])
    save_ply_with(mesh_path, ball(level=0), "wind", 2.0)
    tool = viewer.parts["SaveTool"]
    for name in ("scan", "ball"):
        tool.choice.handle.value = name
        press(tool, tool.reload)
    assert points.feature_names == ["wind", "rain"]
    assert list(mesh.attributes) == ["wind"]
    assert (mesh.attributes["wind"] == 2).all()
    viewer.undo()
    viewer.undo()
    assert points.feature_names == ["heat", "age"]
    assert mesh.attributes == before
    assert list(before) == ["heat"]


def save_ply_with(path: Path, mesh: Mesh, name: str, value: float) -> None:
    """A mesh whose vertices have a number."""
    rows = [f"{x} {y} {z} {value}" for x, y, z in mesh.vertices.tolist()]
    faces = [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    head = ["ply", "format ascii 1.0", f"element vertex {len(rows)}"]
    head += [f"property float {one}" for one in ("x", "y", "z", name)]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    path.write_text("\n".join([*head, *rows, *faces]) + "\n")


@pytest.fixture(scope="module")
def opened_things(tmp_path_factory) -> dict[str, list[Layer]]:
    """The layers of all that is opened otherwise than as one file of a shape."""
    folder = tmp_path_factory.mktemp("things")
    capture = write_capture(folder / "ring")
    reconstruct(capture, folder / "run", **QUICK)
    save_mesh(folder / "run" / "surface.obj", ball(level=1))
    for name in ("a", "b"):
        save_mesh(folder / f"{name}.ply", ball(level=2))
    match_files(folder / "a.ply", folder / "b.ply", folder / "match")
    save_field(folder / "cut.field", fit_points(cloud_on(ball(level=3))))
    paths = [capture, folder / "run", RunFolder(folder / "run").checkpoint, folder / "match", folder / "cut.field"]
    return {path.name: layers_of(path) for path in paths}


def cloud_on(mesh: Mesh) -> PointCloud:
    return PointCloud(mesh.vertices, normals=mesh.vertices / mesh.vertices.norm(dim=1, keepdim=True))


def test_reading_again_is_offered_where_it_works_and_only_there(viewer, opened_things):
    tool = viewer.parts["SaveTool"]
    offered = set()
    for layers in opened_things.values():
        for layer in list(viewer.layers):
            viewer.remove(layer)
        viewer.add(*layers)
        for layer in layers:
            if not isinstance(layer.shape, Mesh | PointCloud | Splats | Cameras):
                continue
            tool.choice.handle.value = layer.name
            if not tool.reload.visible:
                with pytest.raises(InvalidInput, match="not all of one file"):
                    read_again(layer)
                continue
            offered.add(layer.name)
            edits, shape = len(viewer.history), layer.shape
            press(tool, tool.reload)
            assert len(viewer.history) == edits + 1, layer.name
            assert layer.shape is not shape
            assert len(layer.shape) == len(shape)
    assert offered == {"run", "surface", RunFolder(Path("run")).checkpoint.stem}


def test_a_file_that_is_read_again_is_turned_as_the_scene_was(viewer, tmp_path):
    save_mesh(tmp_path / "ball.ply", ball())
    viewer.add(*layers_of(tmp_path / "ball.ply"))
    (layer,) = viewer.layers.values()
    viewer.parts["UpAxisTool"].axes.value = "-x"
    viewer.parts["UpAxisTool"].turn.value = "+y up"
    turned = layer.shape.vertices
    tool = viewer.parts["SaveTool"]
    press(tool, tool.reload)
    assert viewer.history.last == "read ball again"
    assert torch.allclose(layer.shape.vertices, turned, atol=1e-6)
    viewer.undo()
    viewer.undo()
    press(tool, tool.reload)
    assert torch.allclose(layer.shape.vertices, open_shape(tmp_path / "ball.ply").shape.vertices)


def test_a_file_that_is_now_too_far_away_changes_nothing(viewer, tmp_path):
    save_points(tmp_path / "scan.ply", cloud(50))
    viewer.add(*layers_of(tmp_path / "scan.ply"))
    (layer,) = viewer.layers.values()
    before, said = layer.shape, []
    viewer.notify = lambda client, text, bad=False: said.append(text)
    save_points(tmp_path / "scan.ply", PointCloud(cloud(50).points * 1e30))
    tool = viewer.parts["SaveTool"]
    press(tool, tool.reload)
    assert "farther than can be drawn" in said[-1]
    assert layer.shape is before
    assert len(viewer.history) == 0


def test_the_list_of_colours_follows_the_file(viewer, tmp_path):
    save_points(tmp_path / "scan.ply", cloud(50, features=2), ["a", "b"])
    viewer.add(*layers_of(tmp_path / "scan.ply"))
    (layer,) = viewer.layers.values()
    menu = layer._menu
    menu.value = "b"
    save_points(tmp_path / "scan.ply", cloud(50, features=2), ["wind", "rain"])
    tool = viewer.parts["SaveTool"]
    press(tool, tool.reload)
    assert {"wind", "rain"} < set(menu.options)
    assert "b" not in menu.options
    assert menu.value == layer.attribute
    menu.value = "rain"
    assert layer.attribute == "rain"
    viewer.undo()
    assert {"a", "b"} < set(menu.options)
    assert menu.value == layer.attribute
