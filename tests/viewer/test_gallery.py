"""The pictures of docs/viewer.md: every kind of content, opened in a browser, used, and compared with geokit's.

They are made where GEOKIT_SCREENSHOTS names a folder; docs/viewer.md says how. The splats are those of the README's
first command.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geokit.viewer import Viewer, show, show_map
from geokit.viewer.page import save_page
from geokit.viewer.render_scene import render_layers
from PIL import Image

from tests.viewer.browser import picture, ssim, until

FOLDER = os.environ.get("GEOKIT_SCREENSHOTS")
ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 1280, 800

pytestmark = pytest.mark.skipif(not FOLDER, reason="GEOKIT_SCREENSHOTS names no folder for the pictures of the manual")


@pytest.fixture
def gallery(opened, tmp_path):
    """`with gallery(viewer) as (page, client)`: a large page without notes."""

    @contextmanager
    def open_large(viewer: Viewer) -> Iterator[tuple[Any, Any]]:
        with opened(viewer, WIDTH, HEIGHT) as (page, client):
            page.wait_for_timeout(4000)
            page.locator(".mantine-Notification-closeButton").first.click()  # of software rendering
            yield page, client

    return open_large


def snap(page: Any, name: str) -> Path:
    """Keep a picture of the page, when it has come to rest."""
    page.wait_for_timeout(3000)
    kept = Path(FOLDER or ".") / f"{name}.jpg"
    page.screenshot(path=kept, type="jpeg", quality=88)
    return kept


def same_as_geokit(viewer: Viewer, client: Any, least: float) -> None:
    """What the browser draws is what geokit renders through the same camera."""
    width, height = client.camera.image_width, client.camera.image_height
    seen = picture(client, width, height)
    wanted = render_layers(viewer.layers.values(), viewer.camera_of(client, width, height))
    assert ssim(seen, wanted.float().numpy()) > least


@pytest.fixture
def run():
    folder = ROOT / "out" / "still_life"
    if not (folder / "splats.ply").is_file():
        pytest.skip("out/still_life is not there; run the README's first command")
    return folder


def test_an_eigenfunction(gallery, data_folder):
    with show(data_folder / "meshes" / "armadillo.obj", port=0) as viewer, gallery(viewer) as (page, client):
        (layer,) = viewer.layers.values()
        panel = layer.panel
        panel.quantity.value = "eigenfunction"
        until(lambda: layer.legend() is not None, "no values")
        panel.number.value = 8
        panel.lines.value = 20
        until(lambda: layer.lines(), "no isolines")
        snap(page, "values")
        same_as_geokit(viewer, client, 0.8)


def test_splats_and_the_camera_that_took_a_photograph(gallery, run):
    with show(run, port=0) as viewer, gallery(viewer) as (page, _):
        snap(page, "run")
        page.get_by_role("tab", name="Camera").click()
        viewer.parts["CameraTour"].compare.value = True
        page.get_by_role("button", name="next").click()
        until(lambda: viewer.parts["CameraTour"].score.visible, "no comparison")
        snap(page, "compare")
    (splats, *_) = viewer.layers.values()
    assert splats.kind == "splats"


def test_splats_by_geokit(gallery, run):
    with show(run / "splats.ply", port=0) as viewer, gallery(viewer) as (page, client):
        (layer,) = viewer.layers.values()
        page.get_by_label("Rendered by").click()
        page.get_by_role("option", name="geokit").click()
        until(lambda: layer.rendered_by == "geokit", "the browser draws still")
        viewer.parts["RenderLoop"].show("Depth")
        page.wait_for_timeout(6000)
        snap(page, "depth")
        viewer.parts["RenderLoop"].show("Colours")
        page.wait_for_timeout(3000)
        same_as_geokit(viewer, client, 0.95)


def test_a_capture(gallery):
    with show(ROOT / "scenes" / "still_life", port=0) as viewer, gallery(viewer) as (page, _):
        page.wait_for_timeout(4000)
        snap(page, "capture")


def test_tools(gallery, data_folder):
    with show(data_folder / "meshes" / "scan_bun000.ply", port=0) as viewer, gallery(viewer) as (page, _):
        page.get_by_role("tab", name="Tools").click()
        page.get_by_text("Crop box").click()
        viewer.parts["CropTool"].active.value = True
        snap(page, "crop")


def test_a_map(gallery, data_folder):
    from geokit import spectral
    from geokit.io import load_mesh

    folder = data_folder / "functional_maps" / "raw_off"
    files = sorted(folder.glob("*.off"))[:2]
    if len(files) < 2:
        pytest.skip("no pair of shapes")
    first, second = (load_mesh(file) for file in files)
    found = spectral.match(first, second)
    with show_map(first, second, found, port=0) as viewer, gallery(viewer) as (page, _):
        snap(page, "map")


def test_a_slice(gallery, data_folder):
    with show(data_folder / "meshes" / "spot.obj", port=0) as viewer, gallery(viewer) as (page, _):
        page.get_by_role("button", name="Add a slice of distances").click()
        until(lambda: len(viewer.layers) == 2, "no slice")
        snap(page, "slice")


def test_an_exported_page(browser, run, data_folder, tmp_path):
    with show(run / "splats.ply", port=0) as viewer:
        save_page(tmp_path / "still_life.html", viewer)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto((tmp_path / "still_life.html").as_uri())
    page.evaluate("async () => { await geokit.ready }")
    page.wait_for_timeout(20_000)
    assert np.asarray(Image.open(snap(page, "page"))).std() > 10
    page.close()
