"""The blending kernel against the float64 compositor and finite differences."""

from dataclasses import replace

import pytest
import torch

from geokit.backend import splatting_ops as ops
from tests.reference import compositor, scenes
from tests.reference.comparison import assert_close, threads

DTYPES = [torch.float64, torch.float32]
IMAGE_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
GRADIENT_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
MARGIN = {torch.float64: 1e-9, torch.float32: 1e-4}  # nearer to a decision than this, rounding may flip it


def assert_agrees(screen, dtype, seed=0, tolerance=1.0):
    """Image, transmittance, median ids, every gradient and the absolute gradient agree with the compositor.

    Pixels where rounding could flip a decision (skip, clamp, median) are left out, in the loss too.
    """
    screen = scenes.cast(screen, dtype)
    exact = scenes.with_gradients(scenes.cast(screen, torch.float64))
    expected = compositor.rasterize(*scenes.arguments(exact))
    sure = expected.margin > MARGIN[dtype]
    assert sure.double().mean() > 0.97

    leaves = scenes.with_gradients(screen)
    probe = torch.zeros_like(leaves.means2d).requires_grad_()
    image, transmittance, median_ids = ops.rasterize(*scenes.arguments(leaves), screen_probe=probe)
    assert (image.dtype, transmittance.dtype, median_ids.dtype) == (dtype, dtype, torch.int32)
    assert image.shape == expected.image.shape
    assert_close("image", image[sure], expected.image[sure], tolerance * IMAGE_TOLERANCE[dtype])
    assert_close("T", transmittance[sure], expected.transmittance[sure], tolerance * IMAGE_TOLERANCE[dtype])
    assert torch.equal(median_ids[sure], expected.median_ids[sure])

    g = scenes.generator(seed)
    image_weights = scenes.normal(g, *image.shape) * sure[..., None]
    transmittance_weights = scenes.normal(g, *transmittance.shape) * sure

    def loss(image, transmittance):
        return (image * image_weights.to(image)).sum() + (transmittance * transmittance_weights.to(image)).sum()

    inputs = [getattr(leaves, k) for k in leaves.differentiable]
    *ours, absolute = torch.autograd.grad(loss(image, transmittance), [*inputs, probe], allow_unused=True)
    rest = scenes.arguments(exact)[1:]
    wanted = compositor.absolute_gradient(
        lambda copies: loss(*compositor.rasterize(copies, *rest)[:2]), exact.means2d, screen.width, screen.height
    )
    assert_close("absolute gradient", absolute, wanted, tolerance * GRADIENT_TOLERANCE[dtype])
    theirs = scenes.gradients(exact, loss(expected.image, expected.transmittance))
    for name, gradient in zip(scenes.Screen.differentiable, ours):
        assert_close(name, gradient, theirs[name], tolerance * GRADIENT_TOLERANCE[dtype])
    return expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("waves", "channels"), [(0, 1), (0, 3), (1, 3), (2, 4), (4, 3), (1, 7), (2, 1)])
def test_agrees_with_the_compositor(waves, channels, dtype):
    for seed in range(2):
        expected = assert_agrees(scenes.random_screen(seed, channels=channels, waves=waves), dtype, seed)
        assert expected.transmittance.min() > 1e-4, "no tile stops early"
        assert (expected.median_ids >= 0).any()
        assert (expected.median_ids < 0).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("width", "height"), [(16, 16), (1, 1), (17, 15), (33, 5), (3, 50)])
def test_sizes_that_tiles_do_not_divide(width, height, dtype):
    sigma = (1.5, 6.0)
    assert_agrees(scenes.random_screen(3, count=25, width=width, height=height, waves=1, sigma=sigma), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_and_large_splats(dtype):
    """From splats that hit one pixel or none to splats that cover the whole image."""
    assert_agrees(scenes.random_screen(5, count=60, sigma=(0.3, 1.0), opacity=(0.3, 0.95)), dtype)
    assert_agrees(scenes.random_screen(6, count=20, sigma=(20.0, 60.0), opacity=(0.02, 0.3), waves=2), dtype)
    assert_agrees(scenes.random_screen(7, count=30, sigma=(0.5, 40.0), waves=0), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_lists(dtype):
    screen = scenes.random_screen(19, count=600, width=20, height=18, opacity=(0.01, 0.03), sigma=(2.0, 20.0))
    assert_agrees(screen, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("waves", [0, 1])
def test_clamped_alphas_have_no_gradient(waves, dtype):
    screen = scenes.random_screen(8, count=4, waves=waves, opacity=(0.99, 1.0), sigma=(3.0, 8.0), width=30, height=30)
    means2d = torch.tensor([[8.0, 8.0], [22.0, 8.0], [8.0, 22.0], [22.0, 22.0]], dtype=torch.float64)
    depths = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    screen = replace(screen, means2d=means2d, depths=depths, opacities=screen.opacities + 0.2)
    raw = compositor.raw_alpha(
        compositor.pixel_centers(30, 30, means2d) - means2d[0], screen.conics[0], screen.opacities[0], screen.waves[0]
    )
    assert (raw > 0.999).sum() > 3
    assert_agrees(screen, dtype, tolerance=10.0)

    alone = scenes.with_gradients(scenes.cast(replace(screen, depths=depths * (depths == 1)), dtype))
    image, transmittance, _ = ops.rasterize(*scenes.arguments(alone))
    clamped = (raw > 1.0).nonzero()[0]
    torch.testing.assert_close(transmittance[*clamped].item(), 0.001, rtol=1e-4, atol=1e-7)
    gradients = scenes.gradients(alone, image[*clamped].sum())
    for name in ("means2d", "conics", "opacities", "waves"):
        assert not gradients[name].any(), name
    assert gradients["features"][0].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_waves_that_turn_negative_are_skipped(dtype):
    screen = scenes.random_screen(9, count=15, waves=1)
    waves = screen.waves.clone()
    waves[..., 2:] *= 8
    screen = replace(screen, waves=waves, opacities=screen.opacities * 0.2)
    expected = assert_agrees(screen, dtype)
    assert bool(((expected.transmittance >= 0) & (expected.transmittance <= 1)).all())


@pytest.mark.parametrize("dtype", DTYPES)
def test_early_stop_changes_less_than_its_bound(dtype):
    """Dense, opaque scenes: the kernel may stop a tile at T < 1e-4."""
    screen = scenes.random_screen(10, count=250, opacity=(0.6, 0.95), sigma=(4.0, 15.0), waves=1)
    exact = scenes.with_gradients(screen)
    expected = compositor.rasterize(*scenes.arguments(exact))
    assert (expected.transmittance < 1e-4).double().mean() > 0.9
    leaves = scenes.with_gradients(scenes.cast(screen, dtype))
    image, transmittance, median_ids = ops.rasterize(*scenes.arguments(leaves))
    sure = expected.margin > MARGIN[dtype]
    largest = float(torch.cat([screen.features.abs().amax()[None], screen.background.abs()]).max())
    assert float((image - expected.image).detach()[sure].abs().max()) < 3e-4 * largest
    assert float((transmittance - expected.transmittance).detach()[sure].abs().max()) < 1e-4
    assert torch.equal(median_ids[sure], expected.median_ids[sure])
    weights = scenes.normal(scenes.generator(1), *image.shape) * sure[..., None]
    ours = scenes.gradients(leaves, (image * weights.to(dtype)).sum())
    theirs = scenes.gradients(exact, (expected.image * weights).sum())
    for name in scenes.Screen.differentiable:
        if name == "background":  # its gradient is the small rest itself
            assert float((ours[name] - theirs[name]).abs().max()) < 1e-4 * float(weights.abs().sum())
        else:
            assert_close(name, ours[name], theirs[name], 5e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ["none at all", "none visible", "outside", "transparent"])
def test_scenes_that_show_only_the_background(case, dtype):
    screen = scenes.random_screen(11, count=0 if case == "none at all" else 12, waves=2)
    if case == "none visible":
        screen = replace(screen, depths=torch.zeros_like(screen.depths) - torch.arange(12) % 2)
    elif case == "outside":
        screen = replace(screen, means2d=screen.means2d + 500)
    elif case == "transparent":
        screen = replace(screen, opacities=screen.opacities * 1e-4)
    screen = scenes.with_gradients(scenes.cast(screen, dtype))
    image, transmittance, median_ids = ops.rasterize(*scenes.arguments(screen))
    assert torch.equal(image, screen.background.expand_as(image))
    assert bool((transmittance == 1).all())
    assert bool((median_ids == -1).all())
    gradients = scenes.gradients(screen, image.sum() + transmittance.sum())
    pixels = float(image.shape[0] * image.shape[1])
    torch.testing.assert_close(gradients.pop("background"), torch.full_like(screen.background, pixels))
    assert not any(g.any() for g in gradients.values())


def one_splat():
    f64 = {"dtype": torch.float64}
    return scenes.Screen(
        means2d=torch.tensor([[9.3, 20.1]], **f64),
        conics=torch.tensor([[0.05, 0.01, 0.03]], **f64),
        depths=torch.tensor([1.5], **f64),
        opacities=torch.tensor([0.8], **f64),
        features=torch.tensor([[0.2, -0.4, 3.0]], **f64),
        waves=torch.tensor([[[0.1, 0.05, 0.3, -0.2]]], **f64),
        background=torch.tensor([0.1, 0.2, 0.3], **f64),
        width=37,
        height=29,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_splat(dtype):
    assert_agrees(one_splat(), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_depths_blend_in_the_order_of_the_index(dtype):
    screen = scenes.random_screen(13, count=30, sigma=(3.0, 8.0))
    levels = (torch.arange(30) % 3 + 1).to(torch.float64)
    assert_agrees(replace(screen, depths=levels), dtype)


def test_depths_that_differ_in_the_last_bit_are_sorted():
    screen = scenes.random_screen(14, count=30, sigma=(3.0, 8.0))
    near_one = torch.tensor(1.0, dtype=torch.float64)
    depths = near_one + torch.randperm(30, generator=scenes.generator(0)) * torch.finfo(torch.float64).eps
    assert_agrees(replace(screen, depths=depths), torch.float64)
    wide = torch.exp(scenes.uniform(scenes.generator(1), 30, low=-20, high=20))
    assert_agrees(replace(screen, depths=wide), torch.float32)


def test_the_screen_probe_changes_nothing_else():
    screen = scenes.with_gradients(scenes.random_screen(15))
    probe = torch.full_like(screen.means2d, 3.0).requires_grad_()
    with_probe = ops.rasterize(*scenes.arguments(screen), screen_probe=probe)
    without = ops.rasterize(*scenes.arguments(screen))
    assert all(torch.equal(a, b) for a, b in zip(with_probe, without))
    first = scenes.gradients(screen, (with_probe[0] ** 2).sum())
    second = scenes.gradients(screen, (without[0] ** 2).sum())
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("output", [0, 1])
def test_one_output_alone_may_be_used(output):
    screen = scenes.random_screen(16, count=15)
    leaves, exact = scenes.with_gradients(screen), scenes.with_gradients(screen)
    ours = scenes.gradients(leaves, (ops.rasterize(*scenes.arguments(leaves))[output] ** 2).sum())
    theirs = scenes.gradients(exact, (compositor.rasterize(*scenes.arguments(exact))[output] ** 2).sum())
    for name in ours:
        assert_close(name, ours[name], theirs[name], 1e-8)


def smooth_screen():
    """Four overlapping splats on 6 x 5 pixels, far from every decision; the last one is culled."""
    screen = scenes.random_screen(17, count=4, channels=2, waves=2, width=6, height=5, sigma=(4.0, 8.0))
    depths = torch.tensor([3.0, 1.0, 2.0, 0.0], dtype=torch.float64)
    opacities = torch.tensor([0.4, 0.6, 0.5, 0.3], dtype=torch.float64)
    return replace(screen, depths=depths, opacities=opacities, means2d=screen.means2d.clamp(0, 6))


def clamped_screen():
    """The same with one splat of opacity far above the clamp."""
    screen = smooth_screen()
    return replace(screen, opacities=torch.tensor([0.4, 0.6, 30.0, 0.3], dtype=torch.float64))


@pytest.mark.parametrize("name", scenes.Screen.differentiable)
@pytest.mark.parametrize("make", [smooth_screen, clamped_screen])
def test_gradcheck(make, name):
    screen = make()
    assert compositor.rasterize(*scenes.arguments(screen)).margin.min() > 1e-3

    def outputs(value):
        return ops.rasterize(*scenes.arguments(replace(screen, **{name: value})))[:2]

    assert torch.autograd.gradcheck(outputs, (getattr(screen, name).clone().requires_grad_(),))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("waves", [0, 2])
def test_results_do_not_depend_on_the_thread_count(waves, dtype):
    screen = scenes.random_screen(18, count=4000, waves=waves, width=200, height=150, opacity=(0.02, 0.9))
    screen = scenes.cast(screen, dtype)
    results = []
    for count in (1, 2):
        with threads(count):
            leaves = scenes.with_gradients(screen)
            probe = torch.zeros_like(leaves.means2d).requires_grad_()
            found = ops.rasterize(*scenes.arguments(leaves), screen_probe=probe)
            inputs = [getattr(leaves, k) for k in leaves.differentiable]
            gradients = torch.autograd.grad((found[0] ** 2).sum() + found[1].sum(), [*inputs, probe])
            results.append([*found, *gradients])
    assert all(torch.equal(a, b) for a, b in zip(*results))
