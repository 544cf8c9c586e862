"""Digits under random affine maps: the maps' laws, where the ink goes, and that it goes there by the map."""

import math
from dataclasses import replace

import pytest
import torch

from geokit.equivariant.lie import polar
from geokit.errors import InvalidInput
from geokit.pipelines.affine_digits import LAWS, Law, moved_digits, random_maps
from geokit.pipelines.digits import Digits

STILL = Law(0, 0, (1, 1), shift=0.0)


def signs(count=40, seed=0):
    """Digits whose ink fills a random part of the middle."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.zeros(count, 28, 28, dtype=torch.uint8)
    for image in images:
        low = torch.randint(4, 10, (2,), generator=generator)
        high = torch.randint(16, 24, (2,), generator=generator)
        image[low[0] : high[0], low[1] : high[1]] = 200
        image[low[0] : low[0] + 3, low[1] : low[1] + 3] = 0  # no symmetry
    return Digits(images, torch.zeros(count, dtype=torch.int64))


def moments(images):
    """Means and covariances (N, 2), (N, 2, 2) of ink in pixels from the middle."""
    side = images.shape[-1]
    line = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    places = torch.stack(torch.broadcast_tensors(line, line[:, None]), -1).flatten(0, 1)
    weights = images.double().flatten(1)
    weights = weights / weights.sum(1, keepdim=True)
    mean = weights @ places
    offsets = places - mean[:, None]
    return mean, (weights[..., None] * offsets).mT @ offsets


@pytest.mark.parametrize("name", list(LAWS))
def test_maps_are_in_their_law(name):
    law = LAWS[name]
    maps = random_maps(law, 4000, torch.Generator().manual_seed(0)).double()
    angle = torch.atan2(maps[:, 1, 0], maps[:, 0, 0])
    rest = (
        torch.linalg.inv(torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).unflatten(-1, (2, 2)))
        @ maps
    )
    across, along, shear = rest[:, 0, 0], rest[:, 1, 1], rest[:, 0, 1] / rest[:, 1, 1]
    assert float(rest[:, 1, 0].abs().max()) < 1e-6
    limits = ((angle, -math.radians(law.rotation), math.radians(law.rotation)), (shear, -law.shear, law.shear))
    low, high = law.scale
    for values, least, most in (*limits, (across, low, high), (along, low, high)):
        assert least - 1e-5 <= float(values.min()) < least + 0.01 * (most - least)
        assert most - 0.01 * (most - least) < float(values.max()) <= most + 1e-5
    for values, least, most in limits:
        assert abs(float(values.mean())) < 0.05 * (most - least)
        assert abs(float(values.std()) - (most - least) / 12**0.5) < 0.03 * (most - least)
    if law.geometric:
        assert abs(float(across.log().mean())) < 0.03
        assert abs(float(across.median()) - 1) < 0.05
    else:
        assert abs(float(across.mean()) - (low + high) / 2) < 0.02
    assert torch.allclose(across, along) == (not law.apart)


def test_a_still_law_only_centres_and_smooths():
    digits = signs()
    moved = moved_digits(digits, STILL, 0)
    assert moved.shape == (40, 1, 40, 40)
    assert moved.dtype == torch.float32
    # A pixel's mean of the bilinear interpolation: 1/3 of 3 samples, whose outer ones are 1/3 of the way out.
    smooth = torch.tensor([1 / 9, 7 / 9, 1 / 9])
    wanted = torch.nn.functional.conv2d(digits.centered(), smooth[:, None] * smooth[None, :][None, None], padding=1)
    assert torch.allclose(moved, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["affnist", "wide", "stretched"])
def test_ink_moves_by_the_map(name):
    digits, law = signs(), replace(LAWS[name], side=80)
    moved = moved_digits(digits, law, 3)
    maps = random_maps(law, 40, torch.Generator().manual_seed(3)).double()
    mean, covariance = moments(digits.centered(80))
    after_mean, after = moments(moved)
    pixel = torch.eye(2).double() / 12
    assert torch.allclose(after - pixel, maps @ (covariance - pixel) @ maps.mT, rtol=0.03, atol=0.5)
    # What remains of the mean is the shift.
    shift = after_mean - (maps @ mean[..., None])[..., 0]
    if law.shift is not None:
        assert float(shift.abs().max()) <= law.shift + 0.05
        assert float(shift.abs().max()) > 0.8 * law.shift
    assert torch.allclose(
        moved.sum((1, 2, 3)).double(), digits.centered().sum((1, 2, 3)) * torch.linalg.det(maps), rtol=0.02
    )


def test_no_ink_leaves_the_frame_and_it_goes_everywhere():
    digits = signs(200)
    moved = moved_digits(digits, "affnist", 0)
    maps = random_maps(LAWS["affnist"], 200, torch.Generator().manual_seed(0)).double()
    shares = moved.sum((1, 2, 3)).double() / (digits.centered().sum((1, 2, 3)) * torch.linalg.det(maps))
    assert float(shares.min()) > 0.997
    assert float(shares.max()) < 1.003
    mean = moments(moved)[0]
    assert float(mean.std(0).min()) > 2
    rows = (moved[:, 0] > 0).any(2)
    assert int(rows[:, 1].sum()) > 0
    assert int(rows[:, 38].sum()) > 0


def test_the_same_for_the_same_seed():
    digits = signs(10)
    assert torch.equal(moved_digits(digits, "wide", 5), moved_digits(digits, LAWS["wide"], 5))
    assert not torch.equal(moved_digits(digits, "wide", 5), moved_digits(digits, "wide", 6))
    before = torch.random.get_rng_state()
    moved_digits(digits, "wide_noisy", 5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_noise():
    digits = signs(10)
    difference = moved_digits(digits, "wide_noisy", 5) - moved_digits(digits, "wide", 5)
    assert abs(float(difference.std()) - 0.05) < 0.001
    assert abs(float(difference.mean())) < 0.001


def test_wide_is_wider_than_affnist():
    """By the decomposition: how far the maps are from the identity."""
    sizes = {}
    for name in ("affnist", "wide", "stretched"):
        x, _ = polar(random_maps(LAWS[name], 2000, torch.Generator().manual_seed(0)).double())
        sizes[name] = float(x.norm(dim=(1, 2)).mean())
    assert sizes["affnist"] < 0.5 * sizes["wide"]
    assert sizes["affnist"] < 0.5 * sizes["stretched"]


def test_laws_that_there_are_not():
    with pytest.raises(InvalidInput, match="there is no law 'far' of moving digits; there are affnist, wide"):
        moved_digits(signs(1), "far", 0)
