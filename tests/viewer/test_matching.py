"""Maps in the viewer: colours, lines, clicks, errors, folders of geokit match."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import trimesh
from geokit.viewer import Viewer, show_map
from geokit.viewer.colors import numbers_to_colors
from geokit.viewer.content import layers_of
from geokit.viewer.drawables import Points, Segments, Triangles
from geokit.viewer.home import view_direction
from geokit.viewer.layers.correspondences import MOST_LINES, CorrespondencesLayer
from geokit.viewer.map_colors import PALE
from geokit.viewer.map_panel import matrix_picture
from geokit.viewer.matching import map_layers, named_things

from geokit.cli.view import View
from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Mesh, PointCloud
from geokit.geometry.rotations import matrix_from_quaternion
from geokit.io.meshes import save_mesh
from geokit.pipelines.map_file import PointMap
from geokit.pipelines.match import match_files
from geokit.pipelines.match_collection import match_collection
from geokit.pipelines.match_pictures import shape_colors
from geokit.spectral.evaluation import edge_geodesics, geodesic_error
from geokit.spectral.precise import PreciseMap
from tests.viewer.browser import picture, read, until


def egg(rings: int, tall: float = 1.6) -> Mesh:
    """A lopsided egg: no turn brings it onto itself."""
    made = trimesh.creation.icosphere(rings)
    x, y, z = torch.tensor(made.vertices).unbind(1)
    places = torch.stack([x * (1 + 0.3 * z), y * (0.7 + 0.2 * x), tall * z + 0.2 * x * y], 1)
    return Mesh(places, torch.tensor(made.faces.astype(np.int64)))


def to_coarse(fine: Mesh, coarse: Mesh) -> torch.Tensor:
    return torch.cdist(fine.vertices, coarse.vertices).argmin(1)


@pytest.fixture(scope="module")
def shapes() -> tuple[Mesh, Mesh, torch.Tensor]:
    """162 vertices, 642 vertices, and the map from the second to the first."""
    first, second = egg(2), egg(3)
    return first, second, to_coarse(second, first)


def shown(viewer) -> CorrespondencesLayer:
    (layer,) = (layer for layer in viewer.layers.values() if isinstance(layer, CorrespondencesLayer))
    return layer


def turned(handle, value) -> None:
    """A control is changed, which calls back as when a user does it."""
    handle.value = value


def clicked(viewer, layer, vertex: int) -> None:
    """A user clicks on a vertex, from outside along its normal."""
    normal = layer.shape.vertex_normals().double().numpy()[vertex]
    place = layer.placed(layer.shape.vertices)[vertex]
    inside = 1e-3 * (layer.placed(layer.shape.vertices).mean(0) - place)  # not past the rim of a face
    eye = place + inside + 0.2 * normal
    ray = SimpleNamespace(ray_origin=viewer.frame.to_view(eye), ray_direction=-normal, client=None)
    viewer._click(ray)


def test_colours_are_those_of_the_first_carried_over_by_the_map(shapes):
    first, second, p2p = shapes
    with show_map(first, second, p2p, port=0) as viewer:
        layer, colors = shown(viewer), shape_colors(first)
        assert torch.equal(layer.first.shown().colors, colors)
        assert torch.equal(layer.second.shown().colors, colors[p2p])


def test_colours_of_a_map_to_points_in_faces_are_interpolated(shapes):
    first, second, p2p = shapes
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(len(p2p), 3, generator=generator).double()
    precise = PreciseMap(torch.randint(len(first), p2p.shape, generator=generator), weights / weights.sum(1)[:, None])
    _, _, target = map_layers(first, second, PointMap(p2p, precise_21=precise))
    wanted = (shape_colors(first)[first.faces[precise.face_ids]] * precise.barycentrics[..., None]).sum(1)
    assert np.allclose(target.shown().colors.numpy(), wanted.numpy())


def test_the_second_stands_to_the_right_as_far_as_the_slider_says(shapes):
    with show_map(*shapes, port=0) as viewer:
        layer = shown(viewer)
        right = np.cross(viewer.up, np.asarray(view_direction(viewer.up)))
        right /= np.linalg.norm(right)

        def gap() -> float:
            return (layer.second.placed(layer.second.shape.vertices) @ right).min() - (
                layer.first.placed(layer.first.shape.vertices) @ right
            ).max()

        assert gap() > 0
        turned(layer.panel.apart, 1.0)
        assert gap() == pytest.approx(0, abs=1e-9)
        turned(layer.panel.apart, 2.0)
        assert gap() > 1
        for one in (layer.first, layer.second):  # on one ground
            assert (one.placed(one.shape.vertices) @ viewer.up).min() == pytest.approx(
                (layer.first.placed(layer.first.shape.vertices) @ viewer.up).min()
            )


def test_a_shape_of_another_size_and_pose_is_shown_like_the_first(shapes):
    first = shapes[0]
    turn = matrix_from_quaternion(torch.tensor([0.5, 0.7, -0.4, 0.3]).double())
    moved = first.replace(vertices=5 * first.vertices @ turn.T + torch.tensor([30.0, 0, 9]).double())
    with show_map(first, moved, torch.arange(len(first.vertices)), port=0) as viewer:
        layer = shown(viewer)
        assert layer.panel.aligned.value
        own, other = (one.placed(one.shape.vertices) for one in (layer.first, layer.second))
        assert np.allclose(other - other.mean(0), own - own.mean(0))
        clicked(viewer, layer.second, 17)
        assert layer.asked.vertex == 17
        turned(layer.panel.aligned, False)
        assert np.allclose(layer.second.placed(moved.vertices) - moved.vertices.numpy(), layer.second.offset)
        assert torch.equal(layer.second.shape.vertices, moved.vertices)  # what is saved is what was opened


def test_lines_join_places_and_their_images(shapes):
    first, second, p2p = shapes
    with show_map(first, second, p2p, port=0) as viewer:
        layer = shown(viewer)
        for count in (7, MOST_LINES, 0):
            turned(layer.panel.lines, count)
            pieces = layer.drawables()
            assert len(pieces) == (count > 0)
            if count:
                ends = pieces[0].ends
                start, end = (one.placed(one.shape.vertices) for one in (layer.first, layer.second))
                chosen = np.linalg.norm(ends[:, 1, None] - end[None], axis=-1).argmin(1)
                assert len(set(chosen.tolist())) == count
                assert np.allclose(ends[:, 0], start[p2p.numpy()[chosen]])


def test_a_click_on_the_second_shows_its_image_on_the_first(shapes):
    first, second, p2p = shapes
    with show_map(first, second, p2p, port=0) as viewer:
        layer = shown(viewer)
        clicked(viewer, layer.second, 101)
        assert layer.asked.images == (int(p2p[101]),)
        assert read(layer.panel.answer) == f"vertex 101 of second → {int(p2p[101])} of first"
        marks = next(piece for piece in layer.drawables() if isinstance(piece, Points))
        assert np.allclose(marks.points[0], layer.second.placed(second.vertices)[101])
        assert np.allclose(marks.points[1], layer.first.placed(first.vertices)[int(p2p[101])])
        line = layer.drawables()[1]
        assert isinstance(line, Segments)
        assert np.allclose(line.ends[0], marks.points[:2])


def test_a_click_on_the_first_shows_all_that_go_there_or_the_nearest(shapes):
    coarse, fine, p2p = shapes
    with show_map(coarse, fine, p2p, port=0) as viewer:
        layer = shown(viewer)
        clicked(viewer, layer.first, 40)
        wanted = (p2p == 40).nonzero()[:, 0].tolist()
        assert len(wanted) > 1
        assert list(layer.asked.images) == wanted
        assert f"and {len(wanted) - 1} more that go there" in read(layer.panel.answer)
    back = torch.cdist(coarse.vertices, fine.vertices).argmin(1)
    missed = next(v for v in range(len(fine.vertices)) if v not in back.tolist())
    with show_map(fine, coarse, back, port=0) as viewer:
        layer = shown(viewer)
        clicked(viewer, layer.first, missed)
        ways = (fine.vertices[back] - fine.vertices[missed]).norm(dim=1)
        assert layer.asked.images == (int(ways.argmin()),)
        assert "nothing goes exactly there" in read(layer.panel.answer)
    with show_map(fine, coarse, PointMap(back, p2p), port=0) as viewer:
        layer = shown(viewer)
        clicked(viewer, layer.first, missed)
        assert layer.asked.images == (int(p2p[missed]),)


def test_errors_are_painted_told_and_drawn_as_the_spectral_evaluation_has_them(shapes):
    first, second, p2p = shapes
    known = torch.stack([p2p.roll(3), torch.arange(len(p2p))], 1)
    with show_map(first, second, p2p, truth=known, port=0) as viewer:
        layer = shown(viewer)
        wanted = geodesic_error(p2p, known[:, 1], known[:, 0], edge_geodesics(first), float(first.face_areas().sum()))
        turned(layer.panel.coloring, "error")
        scale = layer.second.legend()
        assert scale.low == 0
        assert scale.high == pytest.approx(float(torch.quantile(100 * wanted.errors, 0.98)), rel=1e-4)
        colors = numbers_to_colors(100 * wanted.errors.double().numpy(), scale)
        assert np.abs(layer.second.shown().colors.numpy() - colors).max() < 0.02
        assert len(np.unique(colors.round(2), axis=0)) > 20
        assert np.allclose(layer.first.shown().colors.numpy(), PALE)
        assert f"mean error {wanted.mean:.2f}" in read(layer.panel.figures)
        assert layer.panel.curve.data[1][-1] == pytest.approx(100 * layer.errors.curve()[1][-1])
        clicked(viewer, layer.second, 55)
        assert f"true is {int(known[55, 0])} (green), error {100 * wanted.errors[55]:.1f}" in layer.answer()
        turned(layer.panel.coloring, "their own")
        assert layer.second.legend() is None
        assert len(torch.unique(layer.second.shown().colors, dim=0)) == 1


def test_coverage_is_the_share_of_the_first_that_is_reached_and_greys_the_rest(shapes):
    first, second, _ = shapes
    half = torch.cdist(second.vertices, first.vertices[first.vertices[:, 2] > 0]).argmin(1)
    p2p = (first.vertices[:, 2] > 0).nonzero()[:, 0][half]
    with show_map(first, second, p2p, port=0) as viewer:
        layer = shown(viewer)
        assert 0.5 < layer.coverage < 0.7
        assert f"coverage: {layer.coverage:.0%}" in read(layer.panel.figures)
        turned(layer.panel.coloring, "coverage")
        grey = np.isclose(layer.first.shown().colors.numpy(), PALE).all(1)
        assert np.array_equal(grey, ~layer.reached)
        assert (first.vertices[torch.from_numpy(grey), 2] < 0).all()


def test_without_a_truth_there_is_no_error_to_choose(shapes):
    with show_map(*shapes, port=0) as viewer:
        panel = shown(viewer).panel
        assert "error" not in panel.coloring.options
        assert panel.curve is None
        assert panel.matrix is None


def test_an_edit_takes_the_lines_away_and_undo_brings_all_back(shapes):
    with show_map(*shapes, port=0) as viewer:
        layer = shown(viewer)
        before = layer.second.shown().colors
        clicked(viewer, layer.second, 5)
        viewer.edit({layer.second: layer.second.kept(layer.second.elements()[:, 2] > 0)}, "cut")
        assert layer._nodes == []
        assert layer.drawables() == []
        turned(layer.panel.coloring, "coverage")  # does not fit, does not fail
        turned(layer.panel.coloring, "by place")
        viewer.undo()
        assert torch.equal(layer.second.shown().colors, before)
        assert layer._nodes
        viewer.show(layer.first, False)
        assert layer._nodes == []
        viewer.show(layer.first)
        viewer.remove(layer.second.name)
        assert layer._nodes == []


def test_a_matrix_is_a_picture_of_whole_squares():
    seen = matrix_picture(torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]]))
    assert seen.shape == (300, 200, 3)
    red, blue, zero = (seen[y, x].astype(int) for y, x in ((50, 50), (150, 150), (250, 50)))
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    assert zero.min() > 220


def test_what_is_no_map_is_refused_before_anything_is_served(shapes, tmp_path):
    first, second, p2p = shapes
    for wrong, sentence in (
        (p2p[:-1], "the map maps 641 vertices, but the shapes have 162 and 642"),
        (p2p + 1, "there are vertices 0 to 161"),
        (p2p + 0.5, "not whole"),
        (object(), "must be vertex numbers or a path"),
        (PointMap(p2p, p2p), "the map back maps 642"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            map_layers(first, second, wrong)
    with pytest.raises(InvalidInput, match="wanted pairs of vertices"):
        map_layers(first, second, p2p, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="no mesh with faces"):
        map_layers(first, PointCloud(second.vertices), p2p)


def test_the_command_says_what_is_missing(shapes, tmp_path):
    paths = tmp_path / "a.ply", tmp_path / "b.ply"
    for path, mesh in zip(paths, shapes):
        save_mesh(path, mesh)
    map_file = tmp_path / "map.txt"
    map_file.write_text("\n".join(map(str, shapes[2].tolist())))
    with pytest.raises(InvalidInput, match="--map is between two meshes, got 1 paths"):
        View(paths[:1], map=map_file).run()
    with pytest.raises(InvalidInput, match="give --map too, or one folder"):
        View(paths, truth=(map_file,)).run()
    with pytest.raises(InvalidInput, match=r"map.txt maps 642 vertices, but the shapes have 162 and 162"):
        View((paths[0], paths[0]), map=map_file).run()
    layer, first, _ = named_things(paths, map_file, [map_file])
    assert layer.errors.mean == 0
    assert first.name == "a"
    layer, first, _ = named_things(paths[::-1], map_file, [map_file])  # named the other way round
    assert first.name == "a"
    assert layer.errors.mean == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three shapes as files."""
    folder = tmp_path_factory.mktemp("shapes")
    paths = [folder / f"{name}.ply" for name in ("small", "tall", "taller")]
    for path, tall in zip(paths, (1.6, 1.7, 1.8)):
        save_mesh(path, egg(2, tall))
    return paths


def test_the_folder_of_a_match_opens_as_two_shapes_and_their_map(files, tmp_path):
    report = match_files(files[0], files[1], tmp_path / "out")
    for path in (tmp_path / "out", tmp_path / "moved"):
        if path.name == "moved":
            (tmp_path / "out").rename(path)
        layer, first, second = layers_of(path)
        assert (first.name, second.name) == ("small", "tall")
        assert layer.shape.functional_map is not None
        assert layer.shape.precise_21 is not None
        assert f"{report['quality']['confidence']:.2f}" in layer.note
    with Viewer(port=0) as viewer:
        viewer.add(layer, first, second)
        assert layer.panel.matrix is not None
        assert "confiden" in read(layer.panel.figures) or "doubtful" in read(layer.panel.figures)
    # Both have as many vertices: only the report can tell which is which.
    backwards = named_things(files[1::-1], tmp_path / "moved" / "match.npz", [])
    assert [one.name for one in backwards[1:]] == ["small", "tall"]
    assert torch.equal(backwards[2].shown().colors, second.shown().colors)
    (tmp_path / "moved" / "report.json").write_text('{"shapes": 3}')
    with pytest.raises(UnreadableFile, match=r"report.json is no report of a match"):
        layers_of(tmp_path / "moved")


def test_of_a_collection_one_pair_is_shown_and_another_can_be_chosen(files, tmp_path):
    match_collection(files, tmp_path / "maps")
    with Viewer(port=0) as viewer:
        viewer.add(*layers_of(tmp_path / "maps"))
        layer = shown(viewer)
        assert list(layer.panel.pair.options) == ["small and tall", "small and taller", "tall and taller"]
        assert (layer.first.name, layer.second.name) == ("small", "tall")
        kept = layer.second.kept(layer.second.elements()[:, 2] > 0)
        viewer.edit({layer.second: kept}, "cut")
        turned(layer.panel.pair, "tall and taller")
        other = shown(viewer)
        assert list(viewer.layers) == ["taller to tall", "tall", "taller"]
        assert other.panel.pair.value == "tall and taller"
        viewer.undo()  # of a shape that is no longer there
        assert layer.second._nodes == []
        files[0].rename(files[0].with_suffix(".gone"))
        turned(other.panel.pair, "small and tall")  # one sentence, and what was shown stays
        files[0].with_suffix(".gone").rename(files[0])
        assert shown(viewer) is other
        assert other.panel.pair.value == "tall and taller"
        save_mesh(files[0], egg(2, 1.9))
        with pytest.raises(UnreadableFile, match="another shape than was matched"):
            layers_of(tmp_path / "maps" / "small__tall")


def test_a_click_in_the_page_moves_the_mark_on_the_other_shape(shapes, opened):
    first, second, p2p = shapes
    with show_map(first, second, p2p, port=0) as viewer, opened(viewer) as (page, client):
        layer = shown(viewer)
        turned(layer.panel.lines, 0)
        picture(client)  # until everything has come
        camera = viewer.camera_of(client)
        width, height = camera.sizes[0]
        eye = camera.centers[0].numpy()
        normals = layer.first.shape.vertex_normals().double().numpy()
        places = layer.first.placed(first.vertices)
        facing = ((eye - places) * normals).sum(1) / np.linalg.norm(eye - places, axis=1)

        def pixel(place) -> np.ndarray:
            inside = camera.world_to_camera[0].numpy() @ np.append(place, 1)
            x, y, z = camera.K[0].numpy() @ inside[:3]
            return np.array([x / z, y / z])

        answers = []
        front = np.argsort(-facing)[:30]
        for vertex in (int(front[0]), int(front[-1])):
            page.mouse.click(*pixel(places[vertex]))
            until(lambda v=vertex: layer.asked is not None and layer.asked.vertex == v, f"vertex {vertex} not asked")
            marks = next(piece for piece in layer.drawables() if isinstance(piece, Points)).points
            seen = picture(client, width, height)
            for place in (marks[0], marks[1:].mean(0)):
                column, row = (round(float(c)) for c in pixel(place))
                assert seen[row - 4 : row + 5, column - 4 : column + 5].min(-1).min() < 0.2, (vertex, column, row)
            answers.append(read(layer.panel.answer))
        assert answers[0] != answers[1]
        assert all(int(p2p[i]) == layer.asked.vertex for i in layer.asked.images)
        page.get_by_text(answers[1]).wait_for()


@pytest.mark.data
def test_two_people_with_their_truth(data_folder, tmp_path, opened):
    folder = data_folder / "functional_maps" / "raw_off"
    paths = [folder / f"tr_reg_{number}.off" for number in ("000", "010")]
    match_files(*paths, tmp_path / "match")
    layers = named_things([tmp_path / "match"], None, [path.with_suffix(".vts") for path in paths])
    layer = layers[0]
    assert layer.errors.mean < 4
    assert layer.coverage > 0.9
    with Viewer(port=0) as viewer:
        viewer.add(*layers)
        triangles = [piece for one in layers for piece in one.drawables() if isinstance(piece, Triangles)]
        assert len(triangles) == 2
        with opened(viewer) as (_page, client):
            by_place = picture(client)
            turned(layer.panel.coloring, "error")
            by_error = picture(client)
        covered = (np.abs(by_place - 1).max(-1) > 0.05).mean()
        assert covered > 0.1
        saturation = [
            np.ptp(seen, axis=-1)[np.abs(by_place - 1).max(-1) > 0.05].mean() for seen in (by_place, by_error)
        ]
        assert saturation[0] > 0.2 > saturation[1]
