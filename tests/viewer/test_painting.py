"""Isolines lie where the values say, arrows point along their field, legends show the range."""

import numpy as np
import pytest
import torch
from geokit.viewer import Viewer
from geokit.viewer.colors import legend_of, numbers_to_colors, usual_limits
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.legends import legend_html
from geokit.viewer.numbers import round_number, ticks
from geokit.viewer.painting import Look, Wish, isolines, levels_between, paint
from geokit.viewer.values import MeshValues
from geokit.viewer.vectors import MeshVectors

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud
from tests.viewer.shapes import ball, bean


def test_isolines_lie_on_their_level_just_above_the_surface():
    mesh, direction = bean(), np.array([0.2, -0.4, 0.9])
    numbers = mesh.vertices.numpy() @ direction
    levels = levels_between(-0.6, 0.6, 5)
    np.testing.assert_allclose(levels, [-0.4, -0.2, 0, 0.2, 0.4], atol=1e-12)
    lines = isolines(mesh, numbers, levels)
    off = np.abs((lines.ends @ direction)[..., None] - levels).min(-1)
    lift = 1e-3 * mesh.extent
    assert off.max() <= lift * np.linalg.norm(direction) + 1e-6
    from geokit.geometry import Bvh, signed_distance

    above = signed_distance(Bvh(mesh), torch.from_numpy(lines.ends.reshape(-1, 3))).numpy()
    assert above.min() > 0.5 * lift
    assert above.max() < 1.01 * lift


def test_a_painting_has_the_wanted_lines_and_legend():
    values = MeshValues(bean())
    vectors = MeshVectors(values)
    found = paint(values, vectors, Wish("height"), Look(limits=(-0.5, 0.5), lines=9, arrows="gradient", arrow_count=50))
    assert (found.legend.low, found.legend.high) == (-0.5, 0.5)
    assert set(found.lines) == {"isolines", "arrows"}
    assert 3 * 40 <= len(found.lines["arrows"].ends) <= 3 * 50  # none where the gradient is nearly zero
    heights = found.lines["isolines"].ends[..., 2]
    assert len(np.unique(np.round(heights / 0.1))) == 9
    with pytest.raises(InvalidInput, match="choose which ones to show first"):
        paint(values, vectors, Wish(), Look(arrows="gradient"))
    with pytest.raises(InvalidInput, match="no vector field 'wind'"):
        vectors.field("wind")


def test_gradients_are_tangent_parts_and_arrows_are_as_long_as_asked():
    mesh = ball(subdivisions=4)
    values = MeshValues(mesh)
    vectors = MeshVectors(values)
    numbers = mesh.vertices[:, 2].numpy()
    found, normals = vectors.field("gradient", numbers), vectors.normals
    up = np.array([0, 0, 1.0])
    np.testing.assert_allclose(found, up - normals * normals[:, 2:], atol=0.02)
    ends = vectors.arrows("gradient", numbers, 200, 0.1)
    shafts = ends[: len(ends) // 3]
    lengths = np.linalg.norm(shafts[:, 1] - shafts[:, 0], axis=1)
    assert lengths.max() == pytest.approx(0.1, rel=1e-6)
    assert (np.diff(shafts[..., 2], axis=1) >= 0).all()
    strokes = ends[len(shafts) :]
    np.testing.assert_allclose(strokes[:, 0], np.concatenate([shafts[:, 1]] * 2))  # heads begin at the tips
    out = vectors.arrows("normals", None, 30, 0.2)[:30]
    np.testing.assert_allclose(np.linalg.norm(out[:, 1], axis=1), 1.2, rtol=1e-5)
    assert len(vectors.arrows("largest curvature", None, 30, 0.2)) == 30  # without heads
    assert len(vectors.arrows("normals", None, 3000, 0.2)) == 3 * len(mesh.vertices)


def test_numbers_become_the_colours_of_their_place_and_grey_where_unknown():
    values = np.array([0.0, 0.5, 1.0, 7.0, -3.0, np.nan, np.inf])
    legend = legend_of("numbers", values, limits=(0.0, 1.0))
    colors = numbers_to_colors(values, legend)
    np.testing.assert_allclose(colors[[0, 2, 3, 4]], legend.colors[[0, -1, -1, 0]])
    np.testing.assert_allclose(colors[5:], 0.5)
    flat = numbers_to_colors(np.full(3, 2.0), legend_of("flat", np.full(3, 2.0)))
    np.testing.assert_allclose(flat, legend.colors[[128] * 3], atol=0.02)


def test_usual_limits_leave_out_the_outermost():
    values = np.concatenate([np.linspace(0, 1, 1001), [1e6, np.nan]])
    assert usual_limits(values)[1] < 1.0
    assert usual_limits(-values, symmetric=True) == (pytest.approx(-0.99, abs=0.01), pytest.approx(0.99, abs=0.01))
    assert usual_limits(np.array([3.0, 3.0, 3.0, 3.0])) == (3.0, 3.0)
    assert usual_limits(np.concatenate([np.zeros(1000), [1.0]])) == (0.0, 1.0)
    assert usual_limits(np.array([np.nan])) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0", "0.25", "0.5", "0.75", "1"]),
        (-0.66, 0.66, ["-0.5", "-0.25", "0", "0.25", "0.5"]),
        (600_000, 600_400, ["600000", "600100", "600200", "600300", "600400"]),
        (0, 3e-5, ["0", "1e-5", "2e-5", "3e-5"]),
        (2, 2, ["2"]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(low, high, texts):
    found = ticks(low, high)
    assert [text for _, text in found] == texts
    assert all(0 <= place <= 1 for place, _ in found)
    if high > low:
        np.testing.assert_allclose([low + place * (high - low) for place, _ in found], [float(t) for t in texts])


def test_round_numbers():
    assert [round_number(x) for x in (0.37, 1.0, 7.0, 0.0199)] == pytest.approx([0.2, 1, 5, 0.01])
    assert all(0 < round_number(x) < 1e-300 for x in (0.0, 5e-324))  # of what has no size


def test_legends_are_shown_for_every_visible_layer_that_has_one():
    with Viewer(port=0) as viewer:
        cloud = PointsLayer("<b>scan", PointCloud(torch.rand(50, 3), features=torch.rand(50, 1)), None, ["r&d"])
        cloud.attribute = "r&d"
        viewer.add(cloud, MeshLayer("ball", ball()))
        shown = viewer.parts["Legends"].shown
        assert shown.visible
        assert "&lt;b&gt;scan" in shown.content
        assert "r&amp;d" in shown.content
        assert shown.content.count("geokit-legend") == 1  # names of files are text, not page
        viewer.layers["ball"].panel.quantity.value = "height"
        assert viewer.layers["ball"].panel.work.wait(60)
        assert shown.content.count("geokit-legend") == 2
        viewer.show(cloud, False)
        assert shown.content.count("geokit-legend") == 1
        assert "height" in shown.content


def test_the_bar_of_a_legend_has_the_colours_of_the_map():
    legend = legend_of("x", np.array([0.0, 1.0]))
    content = legend_html("layer", legend)
    assert "rgb({},{},{})".format(*(round(255 * float(c)) for c in legend.colors[0])) in content
    assert "rgb({},{},{})".format(*(round(255 * float(c)) for c in legend.colors[-1])) in content


def test_a_wireframe_has_the_colours_of_the_values():
    with Viewer(port=0, up=(0, 0, 1)) as viewer:
        layer = MeshLayer("ball", ball())
        viewer.add(layer)
        layer.panel.quantity.value = "height"
        assert layer.panel.work.wait(60)
        layer.shading = "wireframe"
        layer.redraw()
        (wires,) = layer._nodes
        heights = wires.points[:, :, 2].mean(1)
        redness = wires.colors[:, 0, 0].astype(float)
        assert len(heights) == 3 * len(layer.shape) // 2
        assert len(np.unique(wires.colors.reshape(-1, 3), axis=0)) > 50
        assert (
            redness[heights > 0.8 * heights.max()].mean() > redness[np.abs(heights) < 0.2].mean()
        )  # viridis ends in yellow


def test_a_viewer_that_is_closed_in_the_middle_of_work_ends_quietly(capfd):
    with Viewer(port=0) as viewer:
        layer = MeshLayer("ball", ball(subdivisions=4))
        viewer.add(layer)
        layer.panel.quantity.value = "eigenfunction"
    assert layer.panel.work.wait(60)
    assert "Traceback" not in capfd.readouterr().err
    assert layer.legend() is None


def test_attributes_with_the_name_of_a_quantity_are_told_apart():
    heights = np.arange(12.0)
    values = MeshValues(ball(subdivisions=0), attributes={"height": heights, "short": np.zeros(3)})
    assert len(set(values.names())) == len(values.names())
    np.testing.assert_allclose(values.compute("height (file)").numbers, heights)
    assert "short" not in values.names()
