"""Training on samples: it learns, the seed says everything, and bad input gets a sentence."""

import math

import pytest
import torch

from geokit.errors import InvalidInput, NumericalFailure
from geokit.fields import GridField, SirenField, fit_network, image_samples, squared_error
from geokit.fields.fit_network import _batches


def picture(height=24, width=32, dtype=torch.float32):
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.stack([(9 * x + 5 * y).sin() / 2 + 0.5, (x > y).float(), x * y], -1).to(dtype)


def grid(image, seed=0, **options):
    height, width, channels = image.shape
    bounds = torch.tensor([[0.0, 0.0], [width, height]], dtype=image.dtype)
    options = {"levels": 4, "coarsest": 4, "finest": 16, "hidden": 16, "seed": seed, **options}
    return GridField.with_budget(bounds, channels, 2500, **options)


def test_samples_are_the_middles_of_pixels():
    points, values = image_samples(picture(3, 4))
    assert points[[0, 1, 4]].tolist() == [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]
    assert torch.equal(values[5], picture(3, 4)[1, 1])


@pytest.mark.parametrize("stratified", [True, False])
def test_it_learns_and_repeats(stratified):
    image, fields, fits = picture(), [], []
    for seed in (0, 0, 1):
        field = grid(image)
        fits.append(fit_network(field, image, steps=150, batch=256, stratified=stratified, seed=seed))
        fields.append(field)
    error = squared_error(fields[0], *image_samples(image))
    assert -10 * math.log10(error) > 25
    assert fits[0].steps == len(fits[0].losses) == 150
    assert fits[0].losses == fits[1].losses
    assert fits[0].losses != fits[2].losses
    assert all(torch.equal(a, b) for a, b in zip(fields[0].parameters(), fields[1].parameters()))


def test_samples_of_any_signal():
    bounds = torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64)
    field = SirenField(bounds, 1, 32, 2, 5.0)
    x = torch.rand(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    distance = x.norm(dim=1, keepdim=True) - 0.5
    before = squared_error(field, x, distance)
    fit_network(field, (x, distance), steps=200, batch=128, rate=3e-3)
    assert squared_error(field, x, distance) < before / 20


@pytest.mark.parametrize(("samples", "batch"), [(100, 7), (64, 64), (10, 9), (12, 4), (5, 1)])
@pytest.mark.parametrize("stratified", [True, False])
def test_no_sample_twice_in_a_round(samples, batch, stratified):
    order = _batches(samples, batch, stratified, 0)
    for _ in range(2):
        if stratified:
            seen = torch.cat([next(order) for _ in range(-(-samples // batch))])
            assert sorted(seen.tolist()) == list(range(samples))
        else:
            seen = torch.cat([next(order) for _ in range(samples // batch)])
            assert len(set(seen.tolist())) == len(seen) == samples // batch * batch


def test_a_step_sees_all_of_the_image():
    first = next(_batches(1000, 100, True, 3))
    assert torch.equal(first // 10, torch.arange(100))


def test_time_ends_it():
    image = picture()
    fit = fit_network(grid(image), image, cpu_seconds=0.3, batch=64)
    assert 0.3 <= fit.cpu_seconds < 3
    assert fit.steps > 1


def test_one_colour_is_learned():
    image = torch.full((8, 9, 3), 0.25)
    field = grid(image)
    fit_network(field, image, steps=300, batch=72)
    assert squared_error(field, *image_samples(image)) < 1e-6


def test_what_is_observed():
    image, seen = picture(), []
    fit = fit_network(grid(image), image, steps=3, batch=64, observe=lambda *now: seen.append(now))
    assert seen == list(zip((1, 2, 3), fit.losses))


def test_wrong_input_gets_a_sentence():
    image = picture()
    broken = image.clone()
    broken[3, 4, 1] = float("nan")
    x, y = image_samples(image)
    for signal, options, words in (
        (broken, {}, "finite"),
        (image.double(), {}, "float32"),
        (image[..., :2], {}, "values must have shape"),
        ((x, y[1:]), {}, "values must have shape"),
        ((x[:0], y[:0]), {}, "a sample"),
        (image, {"steps": 0}, "cpu_seconds or steps"),
        (image, {"cpu_seconds": 1.0}, "cpu_seconds or steps"),
        (image, {"steps": None, "cpu_seconds": math.inf}, "cpu_seconds or steps"),
        (image, {"batch": 0}, "a sample a step"),
        (image, {"rate": float("nan")}, "a rate"),
        (image[0], {}, "image must have shape"),
    ):
        with pytest.raises(InvalidInput, match=words):
            fit_network(grid(image), signal, **{"steps": 2, **options})


def test_a_frozen_field_is_told():
    image = picture()
    with pytest.raises(InvalidInput, match="nothing to train"):
        fit_network(grid(image).requires_grad_(False), image, steps=2)


def test_a_rate_that_explodes_is_told():
    image = picture()
    with pytest.raises(NumericalFailure, match="smaller rate"):
        fit_network(grid(image), image * 1e15, steps=200, rate=1e15)


@pytest.mark.data
def test_a_photograph_in_a_few_seconds(data_folder):
    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(data_folder / "images" / "astronaut.png").convert("RGB"))[100:228, 160:288]
    image = torch.from_numpy(pixels.astype(np.float32) / 255)
    bounds = torch.tensor([[0.0, 0.0], [128.0, 128.0]])
    field = GridField.with_budget(bounds, 3, 30000, levels=8, coarsest=8, finest=64, hidden=32)
    fit_network(field, image, steps=150, batch=4096)
    assert -10 * math.log10(squared_error(field, *image_samples(image))) > 31
