"""The page that needs no server: what it holds, what it refuses, and who sends it."""

import base64
import html
import json
import re
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.drawables import SplatCloud
from geokit.viewer.frame import ViewFrame
from geokit.viewer.home import home_camera, upward
from geokit.viewer.layers.layer import Legend
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.page import export, page_html, save_page
from geokit.viewer.page.button import file_name
from geokit.viewer.page.pack import Pack
from geokit.viewer.page.splats import MOST_WAVES, packed_splats

from geokit.cli.main import main
from geokit.errors import InvalidInput
from geokit.geometry import Splats
from geokit.io import save_mesh
from tests.viewer.pages import knot, some_splats

HOSTILE = "</script><img src=x onerror=alert(1)> {{data}} & 'quotes\""


def unpacked(listing, lines) -> list[np.ndarray]:
    """The arrays of a page, read as its script reads them."""
    content, arrays = zlib.decompress(b"".join(base64.b64decode(line) for line in lines)), []
    for entry in listing:
        kind = np.dtype(entry["type"])
        planes, content = content[: kind.itemsize * entry["count"]], content[kind.itemsize * entry["count"] :]
        values = np.frombuffer(planes, np.uint8).reshape(kind.itemsize, -1).T.copy().view(kind)[:, 0]
        if entry["steps"]:
            halves = (values.astype(np.int64) + 1) // 2
            values = np.cumsum(np.where(values % 2 == 1, -halves, halves))
        arrays.append(values)
    assert not content
    return arrays


def scene_of(page: str) -> tuple[dict, list[np.ndarray]]:
    found = re.search(r'<script id="scene" type="application/json">(.*?)</script>', page, re.DOTALL)
    data = re.search(r'<script id="data" type="text/plain">\n(.*?)\n</script>', page, re.DOTALL)
    assert found is not None
    assert data is not None
    scene = json.loads(found[1])
    return scene, unpacked(scene["arrays"], data[1].split("\n"))


def page_of(*layers, title: str = "a page") -> str:
    frame = ViewFrame.around(np.stack([layers[0].bounds()[0], layers[0].bounds()[1]]))
    return page_html(layers, frame, home_camera(layers, upward(layers)), title)


def test_arrays_come_back_as_they_were():
    g, pack = np.random.default_rng(0), Pack()
    given = [
        g.normal(size=(50_000, 3)).astype(np.float32),
        g.integers(0, 255, 7).astype(np.uint8),
        np.zeros(0, np.int16),
    ]
    numbers = [pack.add(values) for values in given]
    faces = g.integers(0, 2**31 - 1, (40, 3))
    numbers.append(pack.add_indices(faces))
    assert numbers == [0, 1, 2, 3]
    lines = list(pack.lines())
    assert len(lines) > 1
    found = unpacked(pack.listing, lines)
    for values, back in zip([*given, faces], found):
        assert np.array_equal(values.reshape(-1), back)


def test_a_mesh_is_kept_to_the_precision_that_is_promised():
    mesh = knot()
    scene, arrays = scene_of(page_of(MeshLayer("knot", mesh)))
    (piece,) = scene["pieces"]
    frame = ViewFrame(tuple(scene["frame"]["center"]), scene["frame"]["scale"])
    places = frame.to_world(arrays[piece["places"]].reshape(-1, 3))
    assert np.abs(places - mesh.vertices.numpy()).max() < 1e-6
    assert np.array_equal(arrays[piece["faces"]].reshape(-1, 3), mesh.faces.numpy())
    assert np.abs(arrays[piece["colors"]].reshape(-1, 3) / 255 - mesh.colors.numpy()).max() <= 0.5 / 255 + 1e-9
    assert np.abs(arrays[piece["normals"]].reshape(-1, 3) / 32767 - mesh.vertex_normals().numpy()).max() < 2e-5


def test_splats_are_rounded_by_no_more_than_is_promised():
    splats, pack = some_splats(500, degree=3, waves=2, colored=True), Pack()
    frame = ViewFrame((10.0, -20.0, 5.0), 0.7)
    told = packed_splats([(0, SplatCloud(splats))], frame, pack)
    assert told is not None
    arrays = unpacked(pack.listing, pack.lines())

    def stored(name: str, *shape: int) -> np.ndarray:
        return arrays[told[name]].reshape(told["count"], *shape)

    assert told["count"] == 500
    assert np.abs(frame.to_world(stored("means", 3)) - splats.means.numpy()).max() < 1e-5
    unit = (splats.quats / splats.quats.norm(dim=1, keepdim=True)).numpy()
    assert np.abs(stored("quats", 4) / 32767 - unit).max() < 2e-5
    sizes = np.exp(stored("logScales", 3) / told["scaleStep"]) / frame.scale
    assert np.abs(sizes / splats.log_scales.exp().numpy() - 1).max() < 6e-4
    assert np.abs(stored("opacities") / 65535 - splats.logit_opacities.sigmoid().numpy()).max() < 8e-6
    base = stored("base", 3).view(np.float16).astype(float)
    assert np.abs(0.282 * (base - splats.sh_coeffs[:, 0].numpy())).max() < 3e-4
    codes = (stored("higher", 48)[:, :45].astype(float) - 128) / 127
    largest = np.repeat(told["largest"], [9, 15, 21])
    higher = np.sign(codes) * codes**2 * largest
    assert (np.abs(higher - splats.sh_coeffs[:, 1:].flatten(1).numpy()) <= 0.0085 * largest).all()
    frequencies = stored("frequencies", 2, 3).view(np.float16) * frame.scale
    assert np.allclose(frequencies, splats.wave_frequencies.numpy(), rtol=1e-3, atol=1e-4)
    assert np.allclose(stored("weights", 2, 2, 3).view(np.float16), splats.wave_weights.numpy(), rtol=1e-3, atol=1e-4)


def test_what_no_camera_sees_is_left_out():
    splats = some_splats(10)
    splats.logit_opacities[3] = -8.0
    splats.means[4, 1] = float("nan")
    pack = Pack()
    told = packed_splats([(2, SplatCloud(splats)), (5, SplatCloud(splats[:0]))], ViewFrame(), pack)
    assert told is not None
    assert told["ranges"] == [{"layer": 2, "start": 0, "count": 8, "antialiased": False}]
    assert packed_splats([(0, SplatCloud(splats[:0]))], ViewFrame(), pack) is None


def test_of_many_waves_the_strongest_stay():
    splats, pack = some_splats(6, waves=MOST_WAVES + 3), Pack()
    told = packed_splats([(0, SplatCloud(splats))], ViewFrame(), pack)
    assert told is not None
    kept = (
        unpacked(pack.listing, pack.lines())[told["weights"]].view(np.float16).reshape(6, MOST_WAVES, 2).astype(float)
    )
    strength = splats.wave_weights.norm(dim=2).sort(dim=1, descending=True).values[:, :MOST_WAVES]
    assert np.allclose(np.linalg.norm(kept, axis=2), strength.numpy(), atol=1e-3)
    scene, _ = scene_of(page_of(SplatsLayer("wavy", splats)))
    assert scene["layers"][0]["note"] == f"the {MOST_WAVES} strongest of {MOST_WAVES + 3} waves"


def test_names_cannot_break_out_of_the_page():
    layer = MeshLayer(HOSTILE, knot())
    layer.paint(layer.shape.colors.numpy(), Legend(HOSTILE, 0.0, 1.0, np.zeros((3, 3))))
    page = page_of(layer, title=HOSTILE)
    assert "<img" not in page
    assert page.count("</script>") == page.count("<script") == 3
    assert page.count(f"<title>{html.escape(HOSTILE)}</title>") == 1
    scene, _ = scene_of(page)
    assert scene["layers"][0]["name"] == scene["title"] == scene["layers"][0]["legend"]["title"] == HOSTILE


def test_the_page_is_whole_and_asks_for_nothing():
    page = page_of(MeshLayer("knot", knot()))
    assert not re.search(r"^\s*(import|export)\b", page, re.MULTILINE)
    assert not re.search(r"https?:|src=|href=|\bfetch\(|XMLHttpRequest|\{\{", page)
    assert "default-src 'none'" in page
    folder = Path(export.__file__).parent / "js"
    assert {path.stem for path in folder.glob("*.js")} == set(export._SCRIPTS)
    declared = re.findall(r"^(?:const|class|function|async function) (\w+)", page, re.MULTILINE)
    assert len(declared) == len(set(declared)) > 20


def test_a_hundred_thousand_splats_stay_small():
    page = page_of(SplatsLayer("many", some_splats(100_000, degree=3, size=-4.5)))
    assert len(page) < 10.5e6  # a .ply of them has 23.6 MB
    scene, _ = scene_of(page)
    assert scene["splats"]["count"] > 99_000


def test_a_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target, layer = tmp_path / "page.html", MeshLayer("knot", knot())
    assert save_page(target, [layer]) == target
    first = target.read_bytes()
    with pytest.raises(InvalidInput, match=r"page.html exists already"):
        save_page(target, [layer])
    with pytest.raises(InvalidInput, match=r"a page is written as .html; name it page.html"):
        save_page(tmp_path / "page.ply", [layer])
    with pytest.raises(InvalidInput, match="nothing to write a page of"):
        save_page(tmp_path / "empty.html", [])
    monkeypatch.setattr(export, "_LARGEST", 1000)
    with pytest.raises(InvalidInput, match="more than browsers open"):
        save_page(target, [knot()], overwrite=True)
    assert target.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_shapes_and_viewers_are_written_too(tmp_path):
    save_page(tmp_path / "shapes.html", [knot(), some_splats(5)])
    scene, _ = scene_of((tmp_path / "shapes.html").read_text())
    assert scene["title"] == "mesh, splats"
    with Viewer(port=0, up=(0.0, 1.0, 0.0)) as viewer:
        with pytest.raises(InvalidInput, match="nothing to write"):
            save_page(tmp_path / "viewer.html", viewer)
        viewer.add(MeshLayer("knot", knot()), MeshLayer("other", knot()))
        viewer.show(viewer.layers["other"], False)
        save_page(tmp_path / "viewer.html", viewer, "Two knots")
    scene, _ = scene_of((tmp_path / "viewer.html").read_text())
    assert scene["title"] == "Two knots"
    assert [layer["visible"] for layer in scene["layers"]] == [True, False]
    assert scene["camera"]["up"] == [0, 1, 0]


def test_a_scene_without_elements_is_a_page():
    empty = Splats(torch.zeros(0, 3), torch.zeros(0, 4), torch.zeros(0, 3), torch.zeros(0), torch.zeros(0, 1, 3))
    scene, _ = scene_of(page_of(SplatsLayer("empty", empty)))
    assert scene["splats"] is None


def test_the_command_writes_the_page_and_ends(tmp_path, capsys):
    source, target = tmp_path / "knot.ply", tmp_path / "page.html"
    save_mesh(source, knot())
    assert main(["view", str(source), "--export", str(target)]) == 0
    assert re.fullmatch(
        rf"wrote {re.escape(str(target))}: [\d.]+ [kM]B; open it in any browser\n", capsys.readouterr().out
    )
    assert scene_of(target.read_text())[0]["title"] == "knot"
    for arguments, sentence in [
        (["--export", str(target)], "exists already"),
        (["--overwrite"], "which is missing"),
        (["--export", str(tmp_path / "page.pdf")], "a page is written as .html"),
    ]:
        assert main(["view", str(source), *arguments]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["view", str(source), "--export", str(target), "--overwrite"]) == 0


class FakeClient:
    """A browser that looks from somewhere, and what it was sent."""

    def __init__(self, position: np.ndarray, look_at: np.ndarray, wxyz: np.ndarray) -> None:
        self.camera = SimpleNamespace(
            position=position, look_at=look_at, wxyz=wxyz, fov=0.9, image_width=800, image_height=500
        )
        self.files: list[tuple[str, bytes]] = []
        self.notes: list[str] = []

    def send_file_download(self, name: str, content: bytes, save_immediately: bool = False) -> None:
        assert save_immediately
        self.files.append((name, content))

    def add_notification(self, _title: str, text: str, **_: object) -> None:
        self.notes.append(text)


def test_the_button_sends_what_its_client_sees(monkeypatch):
    with Viewer(port=0) as viewer:
        part = viewer.parts["PageButton"]
        viewer.add(MeshLayer("knot", knot()))
        client = FakeClient(np.array([0.0, 0.0, -6.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0]))
        part._start(SimpleNamespace(client=client))
        part.thread.join()
        assert not client.notes
        ((name, content),) = client.files
        scene, _ = scene_of(content.decode())
        assert name == "knot.html"
        assert np.allclose(scene["camera"]["position"], [0, 0, -6], atol=1e-6)
        assert np.allclose(scene["camera"]["target"], [0, 0, 1], atol=1e-6)
        assert scene["camera"]["size"] == [800, 500]
        assert scene["camera"]["focal"] == pytest.approx(250 / np.tan(0.45))
        monkeypatch.setattr(export, "_LARGEST", 10)
        part._start(SimpleNamespace(client=client))
        part.thread.join()
        assert len(client.files) == 1
        assert "more than browsers open" in client.notes[0]
        assert not part.button.disabled


def test_files_have_names_that_every_system_takes():
    layer = MeshLayer('../a:b*c?"<>|', knot())
    assert file_name([layer]) == "_a_b_c_____.html"
    layer.name = "..."
    assert file_name([layer]) == "scene.html"
