"""Weights of pixels: they move with the picture, see neither background nor noise, and light and dark alike."""

import pytest
import torch

from geokit.equivariant.lie import GLPlus
from geokit.equivariant.lie.canonical import moments
from geokit.equivariant.lie.ink import BLUR, NOISE_LEVELS, gaussian_blur, ink_weights, without_background
from geokit.equivariant.lie.patches import image_frames
from tests.equivariant.lie.pictures import grid, strokes


def weights_of(images):
    return ink_weights(*without_background(images))


def noise_like(images, deviation, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return deviation * torch.randn(images.shape, generator=generator, dtype=images.dtype)


def test_weights_move_with_the_picture():
    images = strokes() + noise_like(strokes(), 0.02)
    shown, noise = without_background(images)
    before = ink_weights(shown, noise)
    for shift in ((1, 0), (-3, 2)):
        # The background's noise is that of the border, which holds other pixels then.
        assert torch.allclose(ink_weights(shown.roll(shift, (2, 3)), noise), before.roll(shift, (1, 2)), atol=1e-12)
    clean = weights_of(strokes())
    assert torch.allclose(weights_of(strokes().roll((4, -3), (2, 3))), clean.roll((4, -3), (1, 2)), atol=1e-12)
    assert torch.allclose(weights_of(torch.rot90(strokes(), 1, (2, 3))), torch.rot90(clean, 1, (1, 2)), atol=1e-12)


def test_ink_counts_by_its_strength_and_the_rest_not_at_all():
    images = strokes()
    weights = weights_of(images)
    inside = images[0, 0] > 0.9
    assert torch.allclose(weights[0][inside], images[0, 0][inside], atol=0.02)
    far = torch.nn.functional.max_pool2d(images, 9, 1, 4)[0, 0] == 0
    assert bool(far.any())
    assert float(weights[0][far].abs().max()) == 0
    assert torch.allclose(weights_of(3 * images), 3 * weights)
    double = weights_of(images.repeat(1, 2, 1, 1))
    assert torch.allclose(double, 2**0.5 * weights)


def test_level_of_the_background_and_its_sign_do_not_matter():
    images = torch.cat([strokes(seed=seed) for seed in range(3)])
    wanted = weights_of(images)
    for level in (0.3, 1.0, -2.0):
        assert torch.allclose(weights_of(images + level), wanted, atol=1e-12)
    assert torch.allclose(weights_of(1 - images), wanted, atol=1e-12)
    two = torch.cat([images, 1 - images], dim=1)
    assert torch.allclose(weights_of(two), 2**0.5 * wanted, atol=1e-12)


def test_ink_on_a_part_of_the_border_is_no_background():
    images = torch.full((1, 1, 40, 40), 0.2, dtype=torch.float64)
    images[..., 10:20, :30] = 0.9  # runs over a quarter of one side
    shown, noise = without_background(images)
    assert torch.allclose(shown, torch.where(images > 0.5, 0.7, 0.0).double())
    assert float(noise.max()) == 0
    weights = ink_weights(shown, noise)[0]
    assert float(weights[10:20, :29].min()) > 0.1
    assert float(weights[30:].max()) == 0


def test_noise_is_measured_on_the_border():
    images = strokes(64).repeat(8, 1, 1, 1)
    for deviation in (0.01, 0.1):
        noise = without_background(images + noise_like(images, deviation))[1]
        assert noise.shape == (8, 1)
        assert abs(float(noise.mean()) / deviation - 1) < 0.1


def frame_errors(deviation):
    """How far the frames of noisy pictures are from the clean ones': of the mean in pixels, of the logarithm."""
    images = torch.cat([strokes(seed=seed) for seed in range(20)])
    clean = image_frames(images, GLPlus(2))[1]
    noisy = images + noise_like(images, deviation)
    found = image_frames(noisy, GLPlus(2))[1]
    return (found.mean - clean.mean).norm(dim=-1), (found.log - clean.log).flatten(1).norm(dim=-1)


def test_noise_hardly_moves_the_frame():
    means, logs = frame_errors(0.05)
    assert float(means.mean()) < 0.15
    assert float(means.max()) < 0.4
    assert float(logs.mean()) < 0.03
    assert float(logs.max()) < 0.1
    # Plain moments of the same pictures are dominated by the background.
    images = torch.cat([strokes(seed=seed) for seed in range(20)])
    points = (20 * grid(40)).flatten(0, 1)
    noisy = (images + noise_like(images, 0.05)).abs()
    plain = moments(points, noisy[:, 0].flatten(1))[1].logdet() - moments(points, images[:, 0].flatten(1))[1].logdet()
    assert float(plain.mean()) > 5 * float(logs.mean())


def test_pure_noise_and_blank_images_have_some_frame():
    for images in (torch.zeros(2, 1, 16, 16), noise_like(torch.zeros(2, 1, 16, 16), 1.0), torch.ones(2, 3, 9, 8)):
        weights = weights_of(images)
        assert bool(weights.isfinite().all())
        assert bool((weights >= 0).all())
        found = image_frames(images, GLPlus(2))[1]
        assert bool(found.matrix.isfinite().all())


@pytest.mark.parametrize("deviation", [0.7, 1.0, 2.0])
def test_blur_is_a_gaussian(deviation):
    images = torch.zeros(1, 2, 33, 31, dtype=torch.float64)
    images[:, :, 16, 15] = 1.0
    blurred = gaussian_blur(images, deviation)[0, 1]
    y, x = torch.arange(33).double() - 16, torch.arange(31).double() - 15
    wanted = torch.exp(-0.5 * (x * x + y[:, None] ** 2) / deviation**2)
    assert torch.allclose(blurred, wanted / wanted.sum(), atol=2e-3 / deviation**2)
    assert abs(float(blurred.sum()) - 1) < 1e-12
    # What it leaves of white noise, as the threshold counts on.
    white = gaussian_blur(noise_like(torch.zeros(1, 1, 200, 200).double(), 1.0), deviation)
    assert abs(float(white.std()) * 2 * torch.pi**0.5 * deviation - 1) < 0.1


def test_threshold_stands_above_the_noise():
    """A flat patch of ink below the threshold is not seen, above it is."""
    noise = torch.full((1, 1), 0.1, dtype=torch.float64)
    threshold = NOISE_LEVELS * 0.1 / (2 * torch.pi**0.5 * BLUR)
    for height, seen in ((0.4 * threshold, 0.0), (3 * threshold, 3 * threshold)):
        images = torch.zeros(1, 1, 30, 30, dtype=torch.float64)
        images[..., 10:20, 10:20] = height
        assert abs(float(ink_weights(images, noise)[0, 15, 15]) - seen) < 1e-3


def test_gradients():
    images = (strokes(12) + 0.3 * noise_like(strokes(12), 1.0)).requires_grad_()
    assert torch.autograd.gradcheck(weights_of, (images,))
