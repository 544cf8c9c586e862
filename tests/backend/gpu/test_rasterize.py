"""The rasterizer of the GPU against the CPU's: pictures, medians, every gradient."""

from dataclasses import replace

import pytest
import torch

from geokit.backend.splatting_ops import count_pairs, rasterize
from tests.reference import scenes
from tests.reference.agreement import assert_agrees
from tests.reference.comparison import assert_rows_close


def picture(*arguments):
    return rasterize(*arguments)


def picture_with_probe(means2d, *arguments):
    probe = torch.zeros_like(means2d).requires_grad_()
    image, transmittance, median_ids = rasterize(means2d, *arguments, screen_probe=probe)
    loss = (image.square().sum() + transmittance.square().sum()) if means2d.requires_grad else image.sum()
    return image, transmittance, median_ids, *torch.autograd.grad(loss, probe, retain_graph=True)


def leaves(screen):
    return scenes.arguments(scenes.with_gradients(screen))


@pytest.mark.parametrize(
    ("waves", "channels"), [(0, 3), (1, 3), (2, 3), (0, 4), (2, 4), (0, 1), (3, 3), (1, 7), (0, 40)]
)
def test_channels_and_waves(device, waves, channels):
    assert_agrees(device, picture, *leaves(scenes.random_screen(1, channels=channels, waves=waves)))


@pytest.mark.parametrize(("waves", "channels"), [(0, 3), (2, 3), (1, 5)])
def test_absolute_gradients(device, waves, channels):
    assert_agrees(device, picture_with_probe, *leaves(scenes.random_screen(2, channels=channels, waves=waves)))


@pytest.mark.parametrize(("width", "height"), [(16, 16), (1, 1), (17, 15), (33, 5), (3, 50)])
def test_sizes_that_tiles_do_not_divide(device, width, height):
    screen = scenes.random_screen(3, count=25, width=width, height=height, waves=1, sigma=(1.5, 6.0))
    assert_agrees(device, picture, *leaves(screen))


def test_rows_that_become_opaque(device):
    """Dense, opaque scenes: rows stop at the same splats, so that float64 agrees to its own accuracy."""
    screen = scenes.random_screen(10, count=250, opacity=(0.6, 0.95), sigma=(4.0, 15.0), waves=1)
    assert_agrees(device, picture, *leaves(screen))


def test_long_lists(device):
    screen = scenes.random_screen(19, count=600, width=20, height=18, opacity=(0.01, 0.03), sigma=(2.0, 20.0), waves=0)
    assert_agrees(device, picture, *leaves(screen))


def test_hidden_splats_get_their_gradients_as_exactly_as_others(device):
    """In float32, though almost all light comes from before them."""
    screen = scenes.random_screen(5, count=300, width=32, height=32, waves=0, opacity=(0.6, 0.99), sigma=(3.0, 10.0))

    def gradients(*arguments):
        given = scenes.with_gradients(scenes.Screen(*arguments))
        image, _, _ = rasterize(*scenes.arguments(given))
        weights = scenes.normal(scenes.generator(1), *image.shape).to(image)
        found = scenes.gradients(given, (image * weights).sum())
        return [found[name] for name in ("means2d", "opacities", "features")]

    exact = gradients(*scenes.arguments(screen))
    found = device(gradients, *scenes.arguments(scenes.cast(screen, torch.float32)))
    for have, want in zip(found, exact):
        rows = want.reshape(len(want), -1).abs().amax(1)
        assert rows[rows > 0].min() < 1e-9 * rows.max()
        assert_rows_close("gradient", have, want, 1e-3)


def test_pixels_that_let_nothing_through_in_rows_that_are_open(device):
    """Thirty opaque splats of one pixel: what is left of the light, 1e-90, is no number in float32."""
    screen = scenes.random_screen(5, count=40, width=16, height=16, waves=0, sigma=(0.5, 0.6))
    means2d = screen.means2d.clone()
    means2d[8:38] = 5.5
    opacities, depths = screen.opacities.clone(), torch.arange(1.0, 41.0, dtype=torch.float64)
    opacities[8:38] = 1.5
    assert_agrees(device, picture, *leaves(replace(screen, means2d=means2d, opacities=opacities, depths=depths)))


def test_clamped_alphas(device):
    screen = scenes.random_screen(8, count=6, opacity=(0.99, 1.0), sigma=(3.0, 8.0), width=30, height=30)
    assert_agrees(device, picture, *leaves(replace(screen, opacities=screen.opacities + 0.2)))


@pytest.mark.parametrize("case", ["none at all", "none visible", "outside", "not finite"])
def test_scenes_without_splats_to_draw(device, case):
    screen = scenes.random_screen(11, count=0 if case == "none at all" else 12, waves=2)
    if case == "none visible":
        screen = replace(screen, depths=torch.zeros_like(screen.depths))
    elif case == "outside":
        screen = replace(screen, means2d=screen.means2d + 500)
    elif case == "not finite":
        screen = replace(screen, means2d=screen.means2d * torch.nan)
    assert_agrees(device, picture, *leaves(screen))


@pytest.mark.parametrize("waves", [0, 2, 4])
def test_deterministic_gradients_are_the_same_in_every_run(device, waves):
    screen = scenes.cast(scenes.random_screen(4, count=60, waves=waves), torch.float32)

    def gradients(*arguments):
        torch.use_deterministic_algorithms(True)
        try:
            given = scenes.with_gradients(scenes.Screen(*arguments))
            image, transmittance, _ = rasterize(*scenes.arguments(given))
            return list(scenes.gradients(given, image.square().sum() + transmittance.sum()).values())
        finally:
            torch.use_deterministic_algorithms(False)

    assert_agrees(device, gradients, *scenes.arguments(screen), dtypes=(torch.float32,))
    first, *others = [run(gradients, *scenes.arguments(screen)) for run in device.in_every_order()]
    assert all(torch.equal(*pair) for other in others for pair in zip(first, other))


@pytest.mark.parametrize("waves", [0, 2])
def test_pairs_that_are_evaluated(device, waves):
    screen = scenes.random_screen(10, count=250, opacity=(0.6, 0.95), sigma=(4.0, 15.0), waves=waves)
    arguments = [*scenes.arguments(screen)[:4], screen.waves, screen.width, screen.height]
    assert device(count_pairs, *arguments) == count_pairs(*arguments)
