"""The controls of the page do what they say, in a real browser; and the viewer's button gives that page."""

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.layers.layer import Legend
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.splats import SplatsLayer
from geokit.viewer.page import save_page

from geokit.geometry.render_mesh import render_mesh
from tests.viewer.browser import ssim, until
from tests.viewer.pages import drawn, knot, opened_page, some_splats


@pytest.fixture
def two_layers(browser, tmp_path):
    """A page of a painted mesh with a hostile name and of splats that are hidden at first."""
    painted = MeshLayer("<b>knot</b></script>", knot())
    colors = np.stack([np.linspace(0, 1, 3)] * 3, 1)
    painted.paint(painted.shape.colors.numpy(), Legend("height <m>", -1.25, 3.0, colors))
    splats = some_splats(200, size=-3.0)
    hidden = SplatsLayer("splats", splats.replace(means=splats.means - torch.tensor([10.0, -20.0, 5.0])))
    hidden.visible = False
    with opened_page(browser, save_page(tmp_path / "two.html", [painted, hidden]), 640, 480) as page:
        yield page


def test_the_list_of_layers_shows_hides_and_explains(two_layers):
    page = two_layers
    first, second = page.locator("#layers input").all()
    assert page.title() == "<b>knot</b></script>, splats"
    assert page.locator("#layers .name").all_inner_texts() == ["<b>knot</b></script>", "splats"]
    assert page.locator(".legend").inner_text().split("\n") == ["height <m>", "-1.25", "3"]
    bar = page.locator(".legend .bar").evaluate("e => getComputedStyle(e).backgroundImage")
    assert [f"rgb({v}, {v}, {v})" in bar for v in (0, 128, 255)] == [True] * 3
    assert (first.is_checked(), second.is_checked()) == (True, False)
    mesh_alone = drawn(page)
    second.check()
    both = drawn(page)
    first.uncheck()
    splats_alone = drawn(page)
    second.uncheck()
    nothing = drawn(page)
    assert not page.locator(".legend").is_visible()
    inked = [float((picture < 0.99).any(-1).mean()) for picture in (nothing, mesh_alone, splats_alone, both)]
    assert inked[0] == 0
    assert inked[3] > max(inked[1], inked[2]) > min(inked[1], inked[2]) > 0.01
    page.get_by_role("button", name="Dark").click()
    assert np.allclose(drawn(page), np.array([23, 25, 29]) / 255, atol=1e-3)
    assert page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"


def test_mouse_and_keys_move_the_camera(two_layers):
    page = two_layers

    def state() -> dict:
        return page.evaluate(
            "async () => { const { position, target } = (await geokit.ready).camera; return { position, target }; }"
        )

    def drag(dx: int, dy: int, button: str = "left") -> None:
        page.mouse.move(400, 240)
        page.mouse.down(button=button)
        page.mouse.move(400 + dx, 240 + dy, steps=3)
        page.mouse.up(button=button)

    def distance(one: dict) -> float:
        return float(np.linalg.norm(np.subtract(one["position"], one["target"])))

    home = state()
    drag(60, 20)
    turned = state()
    assert turned["target"] == home["target"]
    assert distance(turned) == pytest.approx(distance(home))
    assert np.linalg.norm(np.subtract(turned["position"], home["position"])) > 0.3
    drag(60, 20, "right")
    panned = state()
    move = np.subtract(panned["target"], turned["target"])
    assert np.allclose(move, np.subtract(panned["position"], turned["position"]))
    assert np.linalg.norm(move) > 0.1
    page.mouse.wheel(0, 300)
    until(lambda: distance(state()) > 1.2 * distance(panned), "the wheel does nothing", 20)
    page.keyboard.press("r")
    assert state() == home
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    assert distance(state()) == pytest.approx(0.9 * distance(home))
    page.get_by_role("button", name="Home").click()
    assert state() == home


def test_a_double_click_turns_the_camera_around_what_is_there(two_layers):
    page = two_layers
    mesh = (drawn(page) < 0.99).any(-1)
    rows, columns = np.nonzero(mesh)
    edge = int(np.argmax(columns))
    x, y = int(columns[edge]) - 8, int(rows[edge])
    page.mouse.dblclick(x, y)
    # The knot is the torus of radii 1 and 0.4, seen in view coordinates.
    told = page.evaluate("JSON.parse(document.getElementById('scene').textContent).frame")
    camera = "(async () => (await geokit.ready).camera.target)()"
    home = page.evaluate(camera)

    def on_the_torus() -> bool:
        p = np.array(page.evaluate(camera)) / told["scale"] + np.array(told["center"])
        off = np.hypot(np.hypot(p[0], p[1]) - 1, p[2]) - 0.4
        return abs(off) < 0.03 and page.evaluate(camera) != home

    until(on_the_torus, "the camera does not turn around the place", 20)


def test_a_browser_without_webgl2_is_told(browser, tmp_path):
    path = save_page(tmp_path / "page.html", [knot()])
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null;")
    page.goto(path.as_uri())
    until(lambda: "no WebGL2" in page.locator("#status").inner_text(), "nothing is said", 20)
    page.close()


def test_on_a_phone_nothing_overlaps(browser, tmp_path):
    path = save_page(tmp_path / "page.html", {"a mesh with quite a long name, as scans have them": knot()}.values())
    options = {"device_scale_factor": 2, "has_touch": True, "is_mobile": True}
    with opened_page(browser, path, 360, 560, **options) as page:
        boxes = [page.locator(f"#{name}").bounding_box() for name in ("panel", "home", "dark", "help")]
        assert page.evaluate("document.getElementById('view').width") == 720
        assert "finger" in page.locator("#help").inner_text()
    for i, a in enumerate(boxes):
        assert a["x"] >= 0
        assert a["x"] + a["width"] <= 360
        for b in boxes[:i]:
            apart = max(a["x"] - b["x"] - b["width"], b["x"] - a["x"] - a["width"])
            apart = max(apart, a["y"] - b["y"] - b["height"], b["y"] - a["y"] - a["height"])
            assert apart >= 0


def test_the_button_of_the_viewer_downloads_the_page(browser, opened, tmp_path):
    with Viewer(port=0) as viewer:
        viewer.add(MeshLayer("knot", knot()))
        with opened(viewer) as (page, client):
            page.get_by_role("tab", name="Save").click()
            with page.expect_download() as downloading:
                page.get_by_role("button", name="Save this page").click()
            downloading.value.save_as(tmp_path / downloading.value.suggested_filename)
            wanted = viewer.camera_of(client)
    with opened_page(browser, tmp_path / "knot.html", *wanted.sizes[0]) as page:
        seen = drawn(page)
        eye = page.evaluate("async () => (await geokit.ready).camera.position")
    assert np.allclose(viewer.frame.to_world(eye), wanted.centers[0].numpy(), atol=1e-4)
    assert ssim(seen, render_mesh(knot(), wanted).image.numpy()) > 0.99
