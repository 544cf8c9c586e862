"""What pictures of splats show, against slow formulas and `geokit.splatting.render`."""

import math

import pytest
import torch
from geokit.viewer.frame import ViewFrame
from geokit.viewer.splat_modes import colored, colors_of, legend_of, normals_of, numbers_of, splats_at_pixels
from geokit.viewer.streamed_splats import StreamedSplats

from geokit.geometry import Cameras, Splats, look_at
from geokit.splatting import render
from tests.viewer.splat_scenes import blob, disc

WHITE = torch.ones(3)
FRAME = ViewFrame()


def camera(eye: tuple[float, float, float] = (0.0, -5.0, 0.0), width: int = 60, height: int = 44) -> Cameras:
    pose = look_at(torch.tensor([eye]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    K = torch.tensor([[[50.0, 0, width / 2], [0, 50.0, height / 2], [0, 0, 1]]], dtype=torch.float64)
    return Cameras(pose, K, ((width, height),), ("view",))


def test_layers_of_all_kinds_are_blended_by_depth():
    front, back = blob(200, (0.0, -2.5, 0.0), waves=2, seed=1), blob(200, (0.0, 0.0, 0.0), degree=2, seed=2)
    joined = StreamedSplats.of([(back, False), (front, True)], FRAME)
    near, far = render(front, camera(), antialiased=True), render(back, camera(), background=WHITE)
    wanted = near.image + (1 - near.alpha)[..., None] * far.image
    # A row of a tile stops where 1e-4 of the light is left: that much differs.
    assert (colors_of(joined, camera(), WHITE) - wanted).abs().max() < 2e-3


def test_waves_with_a_weight_a_channel_join_waves_without():
    front, back = blob(100, (0.0, -2.5, 0.0), waves=1, seed=3), blob(100, (0.0, 0.0, 0.0), waves=2, seed=4)
    front = front.replace(wave_weights=torch.randn(100, 1, 2, 3, generator=torch.Generator().manual_seed(5)) * 0.4)
    near, far = render(front, camera()), render(back, camera(), background=WHITE)
    assert (near.image[..., 0] - near.image[..., 1]).abs().max() > 0.01
    picture = colors_of(StreamedSplats.of([(front, False), (back, False)], FRAME), camera(), WHITE)
    covered = near.alpha > 0.99  # where the front hides the back, coverage by a mean weight does not matter
    assert covered.any()
    assert (picture - near.image)[covered].abs().max() < 0.05
    assert (picture - far.image)[near.alpha < 0.001].abs().max() < 5e-3


def test_splats_far_from_the_origin_keep_their_shape():
    here, place = blob(200).to(torch.float64), torch.tensor([600_000.0, 5_000_000.0, 100.0], dtype=torch.float64)
    far = StreamedSplats.of([(here.replace(means=here.means + place), False)], ViewFrame(tuple(place.tolist()), 1.0))
    assert (colors_of(far, camera(), WHITE) - render(blob(200), camera(), background=WHITE).image).abs().max() < 1e-3


def test_the_scale_of_the_view_changes_no_picture():
    splats = blob(200, waves=1)
    frame = ViewFrame((0.2, 0.1, -0.1), 0.01)
    pose = camera().world_to_camera.clone()
    pose[0, :3, 3] += pose[0, :3, :3] @ torch.tensor(frame.center, dtype=pose.dtype)
    pose[0, :3, 3] *= frame.scale
    moved = Cameras(pose, camera().K, camera().sizes, ("view",))
    seen = colors_of(StreamedSplats.of([(splats, False)], frame), moved, WHITE)
    assert (seen - render(splats, camera(), background=WHITE).image).abs().max() < 5e-3


@pytest.mark.parametrize("waves", [0, 2])
def test_the_count_is_that_of_the_ellipses_over_a_pixel(waves, monkeypatch):
    monkeypatch.setattr("geokit.viewer.splat_modes._ROWS", 500)  # in several parts
    scene = StreamedSplats.of([(blob(300, waves=waves), False)], FRAME)
    seen, (width, height) = scene.project(camera()), (60, 44)
    amplitudes = scene.amplitudes(seen)
    wanted = torch.zeros(height, width)
    x, y = torch.arange(width).double() + 0.5, torch.arange(height).double()[:, None] + 0.5
    for i in range(len(amplitudes)):
        if seen.depths[i] > 0:
            (mx, my), (a, b, c) = seen.means2d[i].double(), seen.conics[i].double()
            power = -0.5 * (a * (x - mx) ** 2 + c * (y - my) ** 2) - b * (x - mx) * (y - my)
            wanted += amplitudes[i].double() * power.exp() >= 1 / 255
    counts = splats_at_pixels(seen, amplitudes, width, height)
    assert wanted.max() > 5
    assert torch.equal(counts, wanted)


def test_the_count_of_nothing_is_nothing():
    scene = StreamedSplats.of([(blob(10, (0.0, -50.0, 0.0)), False)], FRAME)  # behind the camera
    assert numbers_of("Splat count", scene, camera()).values.sum() == 0
    legend = legend_of("Splat count", numbers_of("Splat count", scene, camera()))
    assert (legend.low, legend.high) == (0.0, 1.0)


def test_depth_is_in_world_units_along_the_axis():
    scene = StreamedSplats.of([(disc(1.0, (1, 0, 0), 3.0), False)], ViewFrame((0.0, 0.0, 0.0), 2.0))
    numbers = numbers_of("Depth", scene, camera((0.0, -5.0, 0.0)))  # view units: 5 + 2 to the disc
    assert numbers.coverage[22, 30] > 0.99
    assert float(numbers.values[22, 30]) == pytest.approx(3.5, rel=1e-4)
    depth, there = scene.median_depth(camera((0.0, -5.0, 0.0)))
    assert there[22, 30]
    assert float(depth[22, 30]) == pytest.approx(7.0, rel=1e-4)
    nothing = scene.median_depth(camera((0.0, 5.0, 40.0)))[1]
    assert not nothing[0, 0]


def test_normals_are_the_short_axes_towards_the_camera():
    scene = StreamedSplats.of([(disc(0.0, (1, 0, 0), 3.0), False)], FRAME)
    for side, green in ((-5.0, 0.0), (5.0, 1.0)):  # seen from -y the normal is -y
        pixel = normals_of(scene, camera((0.0, side, 0.0)), WHITE)[22, 30]
        assert torch.allclose(pixel, torch.tensor([0.5, green, 0.5]), atol=0.01)
    assert torch.allclose(normals_of(scene, camera((0.0, -60.0, 0.0)), WHITE)[0, 0], WHITE, atol=1e-3)


def test_alpha_is_that_of_the_renderer():
    scene = StreamedSplats.of([(blob(300, waves=1), False)], FRAME)
    found = numbers_of("Alpha", scene, camera())
    assert (found.values - render(blob(300, waves=1), camera()).alpha).abs().max() < 1e-4


def test_frequency_of_a_gaussian_and_of_a_wave():
    plain = Splats(
        torch.zeros(1, 3), torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[0.8, 0.3, 0.4]]).log(), torch.tensor([6.0]),
        torch.zeros(1, 1, 3),
    )  # fmt: skip
    sigma = math.sqrt((0.4 * 50 / 5) ** 2 + 0.3)  # pixels, of the shorter axis, with the pixel filter
    found = numbers_of("Frequency", StreamedSplats.of([(plain, False)], FRAME), camera())
    assert float(found.values[22, 30]) == pytest.approx(1 / (2 * math.pi * sigma), rel=1e-3)
    wave = plain.replace(wave_frequencies=torch.tensor([[[1.5, 0.0, 0.0]]]), wave_weights=torch.tensor([[[0.3, 0.0]]]))
    scene = StreamedSplats.of([(wave, False)], FRAME)
    assert float(numbers_of("Frequency", scene, camera()).values[22, 30]) == pytest.approx(1.5 * 5 / 50, rel=2e-2)
    assert float(numbers_of("Frequency", scene, camera(), zoom=2.0).values[22, 30]) == pytest.approx(0.075, rel=2e-2)


def test_numbers_are_coloured_as_their_legend_says():
    scene = StreamedSplats.of([(blob(300), False)], FRAME)
    numbers = numbers_of("Depth", scene, camera())
    legend = legend_of("Depth", numbers)
    known = numbers.values[numbers.coverage > 0.5]
    assert known.min() <= legend.low + 0.2 < legend.high <= known.max() + 0.2
    picture = colored(numbers, legend, WHITE)
    assert torch.allclose(picture[0, 0], WHITE)  # nothing is there
    y, x = divmod(int(numbers.coverage.argmax()), 60)
    place = (float(numbers.values[y, x]) - legend.low) / (legend.high - legend.low) * (len(legend.colors) - 1)
    wanted = torch.from_numpy(legend.colors[round(min(max(place, 0), len(legend.colors) - 1))]).float()
    assert (picture[y, x] - wanted).abs().max() < 0.02
