"""Long work leaves the scene to others, and its result comes only where it still fits."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from geokit.viewer import Viewer, camera_tour
from geokit.viewer.background import Background
from geokit.viewer.camera_tour import CameraTour
from geokit.viewer.content import layers_of
from geokit.viewer.layers.cameras import CamerasLayer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.slice import SliceLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.tools import measure as measuring
from geokit.viewer.tools import on_screen, save, select
from geokit.viewer.values import DistanceTo

from geokit.geometry import frame_camera
from geokit.io.point_clouds import save_points
from tests.pipelines.synthetic import write_capture
from tests.viewer.browser import until
from tests.viewer.tools.scenes import ball, client_of, cloud, event, pick_at, splats, three_layers

PATIENCE = 30.0
TOP, SIDE = ((0, 0, 9.0), (0, 0, -1.0)), ((9.0, 0, 0), (-1.0, 0, 0))


@pytest.fixture
def viewer():
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as made:
        yield made


@pytest.fixture
def said(viewer, monkeypatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(viewer, "notify", lambda client, text, bad=False: told.append(text))
    return told


def lock_is_free(viewer: Viewer) -> bool:
    """Whether another thread can change the scene now."""
    found: list[bool] = []

    def attempt() -> None:
        found.append(viewer.lock.acquire(timeout=10))
        if found[0]:
            viewer.lock.release()

    other = threading.Thread(target=attempt)
    other.start()
    other.join()
    return found[0]


@pytest.fixture
def watch(viewer, monkeypatch) -> Callable[..., list[bool]]:
    """Wraps a function of a module; the list fills with whether the lock was free whenever it was called."""

    def wrap(where: ModuleType | type, name: str, first: Callable[[], None] = lambda: None) -> list[bool]:
        plain, free = getattr(where, name), []

        def watched(*given: Any, **more: Any) -> Any:
            free.append(lock_is_free(viewer))
            first()
            return plain(*given, **more)

        monkeypatch.setattr(where, name, watched)
        return free

    return wrap


def slice_button(viewer: Viewer, layer: MeshLayer) -> Any:
    handles = viewer.folders[layer.name]._children.values()
    return next(handle for handle in handles if getattr(handle, "label", "") == "Add a slice of distances")


def test_a_slice_is_computed_beside_the_scene(viewer, watch):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    free = watch(SliceLayer, "_computed")
    slice_button(viewer, layer).value = True
    until(lambda: "ball slice" in viewer.layers, "no slice came")
    assert layer.slicing.wait(PATIENCE)
    assert free == [True]  # and once only: drawing it takes what is there
    assert viewer.layers["ball slice"]._nodes


def test_a_slice_of_what_is_another_mesh_by_then_is_not_added(viewer, watch, said):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    watch(SliceLayer, "_computed", lambda: viewer.edit({layer: ball(level=1)}, "made coarse"))
    slice_button(viewer, layer).value = True
    until(lambda: said, "nothing was said")
    assert said == ["ball changed while its slice was computed; add the slice again"]
    assert list(viewer.layers) == ["ball"]


def test_a_plane_that_moves_is_computed_beside_the_scene_and_shown_where_it_was_asked_for(viewer, watch):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    slice_button(viewer, layer).value = True
    until(lambda: "ball slice" in viewer.layers, "no slice came")
    assert layer.slicing.wait(PATIENCE)
    cut = viewer.layers["ball slice"]
    assert isinstance(cut, SliceLayer)
    slider = next(h for h in viewer.folders[cut.name]._children.values() if getattr(h, "label", "") == "Position")
    before: list[float] = []
    free = watch(SliceLayer, "_computed", lambda: before.append(cut.position))
    for position in (0.25, 0.5):
        slider.value = position
        assert cut.work.wait(PATIENCE)
        assert cut.position == position
    assert free == [True, True]
    assert before == [0.0, 0.25]  # what is shown moves when its values are there
    assert cut._grid[0][0] == (2, 0.5)


def test_a_way_along_a_surface_is_found_beside_the_scene(viewer, watch, said):
    layer = MeshLayer("ball", ball())
    viewer.add(layer)
    tool = viewer.parts["MeasureTool"]
    free = watch(measuring, "measure")
    tool.active.value = True
    for _ in range(3):  # each counts, however fast they come
        for where in (TOP, SIDE):
            tool.click(pick_at(layer, *where), None)
    assert tool.work.wait(PATIENCE)
    assert free == [True] * 3
    assert list(tool.measurements) == [1, 2, 3]
    assert tool.measurements[3].along > tool.measurements[3].straight
    watch(measuring, "measure", lambda: viewer.edit({layer: ball(level=1)}, "made coarse"))
    for where in (TOP, SIDE):
        tool.click(pick_at(layer, *where), None)
    assert tool.work.wait(PATIENCE)
    assert said == ["ball changed while it was measured; measure again"]
    assert len(tool.measurements) == 3


def test_what_hides_what_is_rendered_once_and_beside_the_scene(viewer, watch):
    layers = three_layers(viewer)
    tool = viewer.parts["SelectTool"]
    tool.seen.value = True
    free = watch(on_screen, "seen_depth")
    client = client_of(viewer, frame_camera(layers[0].shape.vertices, width=60, height=40))
    tool.select_rectangle(event(client, screen_min=(0.0, 0.0), screen_max=(1.0, 1.0)))
    assert tool.work.wait(PATIENCE)
    assert free == [True]
    assert set(tool.selection.masks) == set(layers)


def test_a_rectangle_selects_nothing_of_a_layer_that_changed(viewer, watch):
    ball_layer, points, _ = three_layers(viewer)
    tool = viewer.parts["SelectTool"]
    whole = points.shape
    watch(select, "in_rectangle", lambda: points.shape is whole and viewer.edit({points: whole[:9]}, "thinned"))
    client = client_of(viewer, frame_camera(ball_layer.shape.vertices, width=60, height=40))
    tool.select_rectangle(event(client, screen_min=(0.0, 0.0), screen_max=(1.0, 1.0)))
    assert tool.work.wait(PATIENCE)
    assert ball_layer in tool.selection.masks
    assert points not in tool.selection.masks


def test_files_are_written_and_read_beside_the_scene(viewer, watch, said, tmp_path):
    path = tmp_path / "scan.ply"
    save_points(path, cloud(100))
    viewer.add(*layers_of(path))
    (layer,) = viewer.layers.values()
    tool = viewer.parts["SaveTool"]
    client = client_of(viewer, frame_camera(layer.shape.points))

    def ended() -> bool:
        return not tool._jobs.running

    saved, read = watch(save, "save_layer"), watch(save, "read_again")
    tool.path.value = str(tmp_path / "new.ply")
    tool._save(event(client))
    until(ended, "it is not saved")
    tool._download(event(client))
    until(ended, "it does not come")
    tool._reload(event(client))
    until(ended, "it is not read")
    assert (saved, read) == ([True, True], [True])
    assert "wrote" in said[0]
    assert len(client.files) == 1
    assert not tool.save.disabled
    watch(save, "read_again", lambda: viewer.edit({layer: cloud(7)}, "thinned"))
    tool._reload(event(client))
    until(ended, "it is not read")
    assert said[-1] == "scan changed while its file was read; read it again"
    assert len(layer.shape) == 7


@pytest.fixture
def tour(viewer, tmp_path) -> CameraTour:
    capture: Path = write_capture(tmp_path / "ring")
    viewer.add(SplatsLayer("splats", splats()), *layers_of(capture))
    return viewer.parts["CameraTour"]


def test_a_comparison_is_made_beside_the_scene_and_is_of_the_camera_that_is_chosen(viewer, tour, watch, said):
    (cameras,) = [layer for layer in viewer.layers.values() if isinstance(layer, CamerasLayer)]
    tour.compare.value = True
    assert tour.work.wait(PATIENCE)
    first = tour.comparison
    assert first is not None
    went: list[int] = []

    def go_on() -> None:
        if not went:
            went.append(4)
            with viewer.lock:
                tour.go_to(cameras, 4, None)

    shown: list[Any] = []
    show = tour._show
    tour._show = lambda comparison: (shown.append(comparison), show(comparison))
    free = watch(camera_tour, "compared", go_on)
    with viewer.lock:
        tour.go_to(cameras, 2, None)
    assert tour.work.wait(PATIENCE)
    assert free == [True, True]
    assert len(shown) == 1  # the one of the camera that was left is not
    wanted = cameras.capture.photograph(4)
    assert (tour.comparison.photograph - wanted).abs().max() < 1 / 255
    tour.compare.value = False
    assert tour.comparison is None
    assert said == []


def test_every_click_counts_or_only_the_last_step_of_a_slider(viewer):
    for every, wanted in ((False, [0, 9]), (True, list(range(10)))):
        work, begun, gate, shown = Background(viewer, every), threading.Event(), threading.Event(), []

        def do(number: int, begun=begun, gate=gate) -> int:
            begun.set()
            assert gate.wait(PATIENCE)
            return number

        for number in range(10):
            work.ask("a number", lambda number=number, do=do: do(number), shown.append)
            assert begun.wait(PATIENCE)
        gate.set()
        assert work.wait(PATIENCE)
        assert shown == wanted


def test_a_plane_of_what_was_turned_by_then_is_not_shown(viewer, monkeypatch):
    cut = SliceLayer("cut", DistanceTo(ball()))
    viewer.add(cut)
    tool = viewer.parts["UpAxisTool"]
    tool.axes.value = "+z"

    plain, turned = SliceLayer._computed, threading.Event()

    def turn_once(*given: Any) -> Any:
        if not turned.is_set():
            turned.set()
            viewer.safely(lambda: tool.turn_shapes(np.array([0.0, 1.0, 0.0])))
        return plain(*given)

    monkeypatch.setattr(SliceLayer, "_computed", turn_once)
    slider = next(h for h in viewer.folders["cut"]._children.values() if getattr(h, "label", "") == "Position")
    slider.value = 0.25
    assert cut.work.wait(PATIENCE)
    assert turned.is_set()
    assert cut.plane == (1, pytest.approx(0.0, abs=1e-9))
