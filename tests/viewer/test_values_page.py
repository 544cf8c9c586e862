"""In a browser: controls of values and slices do what they say, and the page shows what geokit renders."""

import numpy as np
import pytest
from geokit.viewer import Viewer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.slice import SliceLayer
from geokit.viewer.values import DistanceTo

from geokit.geometry.render_mesh import render_mesh
from tests.viewer.browser import picture, ssim, until
from tests.viewer.shapes import bean

SIZE = (400, 300)


@pytest.fixture
def viewer():
    with Viewer(port=0, up=(0.0, 0.0, 1.0)) as made:
        yield made


def choose(page, label: str, option: str) -> None:
    """Choose an option of a dropdown of the panel, with the mouse."""
    row = page.locator("label", has_text=label).first
    box = row.locator("xpath=ancestor::*[.//input][1]").locator("input").first
    box.click()
    page.get_by_role("option", name=option, exact=True).click()


def fill(page, label: str, number: str) -> None:
    """Type a number into the box beside a slider of the panel."""
    row = page.locator("label", has_text=label).first
    box = row.locator("xpath=ancestor::*[.//input][1]").locator("input[type=text], input[inputmode]").last
    box.fill(number)
    box.press("Enter")


def test_values_that_are_chosen_in_the_page_are_painted(viewer, opened):
    layer = MeshLayer("bean", bean())
    viewer.add(layer)
    with opened(viewer, 640, 600) as (page, client):
        plain = picture(client, *SIZE)
        choose(page, "Values", "eigenfunction")
        until(lambda: layer.legend() is not None, "no legend came")
        fill(page, "Number", "6")
        until(lambda: "eigenfunction 6," in layer.legend().title, "the sixth eigenfunction was not shown")
        legend = page.locator(".geokit-legend")
        until(lambda: legend.count() == 1 and "eigenfunction 6," in legend.inner_text(), "the page has no legend of it")
        painted = picture(client, *SIZE)
        camera = viewer.camera_of(client, *SIZE)
        wanted = render_mesh(layer.shown(), camera).image.float().numpy()
        assert ssim(painted, wanted) > 0.9
        assert np.abs(painted - plain).mean() > 0.02
        # hue tells the colours apart whatever the light: red where red is wanted, blue where blue is
        tint, tint_wanted = (x[..., 0] - x[..., 2] for x in (painted, wanted))
        strong = np.abs(tint_wanted) > 0.25
        assert strong.mean() > 0.01
        assert (np.sign(tint[strong]) == np.sign(tint_wanted[strong])).mean() > 0.98
        fill(page, "Isolines", "15")
        until(lambda: "isolines" in layer.lines(), "no isolines came")
        lined = picture(client, *SIZE)
        assert lined.mean() < painted.mean() - 0.002  # dark lines
        dark = (lined.max(-1) < 0.35) & (painted.max(-1) > 0.5)
        assert dark.sum() > 100
        page.mouse.click(0.35 * 640, 0.5 * 600)  # left of the panel
        table = page.locator(".geokit-picked")
        until(lambda: table.count() == 1 and "eigenfunction" in table.inner_text(), "the click told nothing")


def test_a_slice_moves_to_the_axis_that_is_chosen_in_the_page(viewer, opened):
    cut = SliceLayer("cut", DistanceTo(bean()))
    viewer.add(cut)
    with opened(viewer, 640, 600) as (page, client):
        before = picture(client, *SIZE)
        choose(page, "Across", "x")
        until(lambda: cut.axis == 0 and cut._nodes, "the slice stayed across z")
        fill(page, "Position", "0.5")
        until(lambda: cut.position == pytest.approx(0.5, abs=cut.step), "the slice stayed in the middle")
        assert cut.work.wait(60)
        until(lambda: "x = 0.5" in page.locator(".geokit-legend").inner_text(), "the legend has not followed")
        after = picture(client, *SIZE)
    assert np.abs(after - before).mean() > 0.02
    # The rectangle's own colours come through unchanged: those of the picture that geokit makes.
    blues = after[(after[..., 2] - after[..., 0]) > 0.25]
    made = cut.picture().reshape(-1, 3)
    assert len(blues) > 50
    nearest = np.abs(blues[:, None] - made[None, ::7]).max(-1).min(1)
    assert np.median(nearest) < 0.02
