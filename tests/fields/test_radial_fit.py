"""Least squares and descent: against dense solves, and on real photographs."""

import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields.initialise import image_weights, kernels_from_samples
from geokit.fields.radial import RadialField
from geokit.fields.radial_fit import features_by_least_squares, fit_radial
from geokit.io.photographs import load_photograph
from tests.fields.radial_models import generator, kernels

BOX = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)


def pixels(height, width, dtype=torch.float32):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows], 2).reshape(-1, 2).to(dtype) + 0.5


def decibels(found, wanted):
    return -10 * math.log10(float((found - wanted).square().mean()))


@pytest.mark.parametrize("options", [{}, {"normalised": True}, {"kernel": "gabor"}, {"frequencies": True}])
@pytest.mark.parametrize("targets", ["values", "gradients", "both"])
def test_features_are_those_of_a_dense_solve(options, targets):
    options = dict(options)
    if options.pop("frequencies", False):
        options["frequencies"] = torch.tensor([1.0, 2.0], dtype=torch.float64)
    normalised = options.pop("normalised", False)
    f = RadialField(BOX, kernels(m=12, **options), normalised)
    x = torch.rand(90, 2, generator=generator(8), dtype=torch.float64)
    values = torch.randn(90, 2, generator=generator(9), dtype=torch.float64)
    slopes = torch.randn(90, 2, 2, generator=generator(10), dtype=torch.float64)
    given = {"values": values, "gradients": slopes}
    if targets != "both":
        given = {targets: given[targets]}
    told = features_by_least_squares(f, x, **given, gradient_weight=0.3, ridge=0.0, steps=400, tolerance=1e-11)
    assert told.residual < 1e-8
    columns = []
    for i in range(13):  # the value and slope of every unknown
        with torch.no_grad():
            probe = RadialField(BOX, kernels(m=12, **options), normalised)
            probe.kernels.features.zero_()
            (probe.bias if i == 12 else probe.kernels.features[i]).fill_(1.0)
            columns.append(torch.cat([probe(x)[:, None], math.sqrt(0.3) * probe.slopes(x).transpose(1, 2)], 1))
    matrix, wanted = torch.stack(columns, -1), torch.cat([values[:, None], math.sqrt(0.3) * slopes.transpose(1, 2)], 1)
    rows = {"values": slice(0, 1), "gradients": slice(1, 3), "both": slice(0, 3)}[targets]
    for c in range(2):
        a, b = matrix[:, rows, c].reshape(-1, 13), wanted[:, rows, c].reshape(-1)
        best = torch.linalg.lstsq(a, b, driver="gelsd").solution
        ours = torch.cat([f.kernels.features[:, c], f.bias[c : c + 1]]).detach()
        torch.testing.assert_close(a @ ours, a @ best, rtol=1e-5, atol=1e-6)
    if targets == "gradients":
        assert not f.bias.any()


@pytest.mark.data
def test_an_image_comes_back_from_its_gradients_alone(data_folder):
    """What a field whose neighbours jump cannot do (10.85 dB for NeuRBF): no value is ever shown."""
    image = load_photograph(data_folder / "images" / "camera.png").float().mean(2, keepdim=True)
    image = image[100:196, 150:246] / (255 if image.max() > 1 else 1)
    x, wanted = pixels(96, 96), image.reshape(-1, 1)
    rows, columns = torch.gradient(image[:, :, 0])
    slopes = torch.stack([columns, rows], 2).reshape(-1, 1, 2)
    weights = image_weights(image).flatten()
    made = kernels_from_samples(x, weights, 96 * 96 // 2, 1, "wendland4", neighbours=20)
    f = RadialField(torch.tensor([[0.0, 0.0], [96.0, 96.0]]), made, normalised=True)
    features_by_least_squares(f, x, gradients=slopes, ridge=1e-9, steps=150)
    with torch.no_grad():
        found = f(x)
    assert decibels(found - found.mean() + wanted.mean(), wanted) > 32  # 34.9 without the constant


@pytest.mark.data
def test_descent_gains_on_least_squares(data_folder):
    image = load_photograph(data_folder / "images" / "astronaut.png").float()
    image = image[40:104, 190:254] / (255 if image.max() > 1 else 1)
    x, wanted = pixels(64, 64), image.reshape(-1, 3)
    made = kernels_from_samples(x, image_weights(image).flatten(), 300, 3, "wendland4")
    f = RadialField(torch.tensor([[0.0, 0.0], [64.0, 64.0]]), made)
    features_by_least_squares(f, x, wanted)
    with torch.no_grad():
        start = decibels(f(x), wanted)
    losses = fit_radial(f, x, wanted, cpu_seconds=2.0)
    with torch.no_grad():
        end = decibels(f(x), wanted)
    assert len(losses) > 20
    assert end > start + 2
    assert f.kernels.skin == 0


@pytest.mark.parametrize("colour", [0.0, 0.7])
def test_an_image_of_one_colour(colour):
    image = torch.full((20, 30, 3), colour)
    x = pixels(20, 30)
    made = kernels_from_samples(x, image_weights(image).flatten(), 10, 3)
    f = RadialField(torch.tensor([[0.0, 0.0], [30.0, 20.0]]), made)
    fit_radial(f, x, image.reshape(-1, 3), cpu_seconds=0.3)
    with torch.no_grad():
        torch.testing.assert_close(f(x), image.reshape(-1, 3), rtol=0, atol=1e-3)


def test_bad_input_is_told():
    f = RadialField(BOX, kernels())
    x, values = torch.rand(9, 2, dtype=torch.float64), torch.rand(9, 2, dtype=torch.float64)
    for arguments, words in (
        ({"x": x}, "nothing to fit"),
        ({"x": x, "values": values[:4]}, "values must have shape"),
        ({"x": x, "values": values * float("nan")}, "finite"),
        ({"x": x, "gradients": values}, "gradients must have shape"),
        ({"x": x.float(), "values": values}, "x must be float64"),
        ({"x": x, "values": values, "ridge": -1.0}, "ridge"),
    ):
        with pytest.raises(InvalidInput, match=words):
            features_by_least_squares(f, **arguments)
    with pytest.raises(InvalidInput, match="cpu_seconds"):
        fit_radial(f, x, values, cpu_seconds=0.0)
    with pytest.raises(InvalidInput, match="rates must be of"):
        fit_radial(f, x, values, rates={"centers": 1.0})
