"""Radial fields: values and derivatives, storage, encodings."""

import copy
import json

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields import Field
from geokit.fields.kernels import KERNELS, SHAPES
from geokit.fields.radial import RadialEncoding, RadialField
from tests.fields.radial_models import generator, kernels

BOX = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)


def field(d=2, normalised=False, **options):
    made = RadialField(BOX[:, :d].contiguous(), kernels(d, **options), normalised)
    with torch.no_grad():
        made.bias.copy_(torch.tensor([0.5, -0.25]))
    return made


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_native_derivatives_are_those_of_autograd(d, shape, normalised):
    f = field(d, normalised, shape=shape, kernel="inverse_quadratic")
    x = 1.4 * torch.rand(60, d, generator=generator(3), dtype=torch.float64) - 0.2  # beyond the kernels too
    torch.testing.assert_close(f.gradient(x), Field.slopes(f, x), rtol=1e-9, atol=1e-9)
    h = 1e-5
    axes = torch.eye(d, dtype=torch.float64)
    with torch.no_grad():
        second = sum((f.slopes(x + h * e) - f.slopes(x - h * e))[:, :, k] for k, e in enumerate(axes)) / (2 * h)
    laplacian = f.laplacian(x)
    assert (laplacian - second).abs().max() < 1e-5 * laplacian.abs().max()


@pytest.mark.parametrize("kernel", KERNELS)
def test_derivatives_can_be_trained(kernel):
    f = field(kernel=kernel, m=4)
    x = torch.rand(9, 2, generator=generator(4), dtype=torch.float64)
    f.kernels.pairs(x)  # held while gradcheck moves the parameters by 1e-6
    f.kernels.skin = 1e-3
    names = [name for name, _ in f.named_parameters() if name != "bias"]
    for call in (f.values, f.slopes, f.curvatures):
        if kernel == "hat" and call == f.curvatures:
            with pytest.raises(InvalidInput, match="hat"):
                call(x)
            continue

        def function(*values, call=call):
            return torch.func.functional_call(f, dict(zip(names, values)), (x, call.__name__))

        f.forward = lambda x, name: getattr(f, name)(x)
        values = [f.get_parameter(name).detach().clone().requires_grad_() for name in names]
        assert torch.autograd.gradcheck(function, values)


def test_a_normalised_field_keeps_constants_and_ends_in_its_bias():
    f = field(normalised=True, m=60)
    with torch.no_grad():
        f.kernels.features.fill_(2.0)
        inside = 0.2 + 0.6 * torch.rand(200, 2, generator=generator(5), dtype=torch.float64)
        torch.testing.assert_close(f(inside) - f.bias, torch.full((200, 2), 2.0).double(), rtol=3e-3, atol=0)
        away = torch.full((1, 2), 50.0, dtype=torch.float64)
        torch.testing.assert_close(f(away)[0], f.bias)
        assert not f.laplacian(away).any()


@pytest.mark.parametrize(
    "options", [{"kernel": "gabor"}, {"frequencies": True}, {"normalised": True, "shape": "diagonal"}]
)
def test_a_field_is_stored_as_its_config_and_tensors(options):
    if "frequencies" in options:
        options = {"frequencies": torch.tensor([1.0, 3.0], dtype=torch.float64)}
    f = field(**options)
    again = RadialField.empty(
        torch.zeros_like(f.bounds) + torch.tensor([[0.0], [2.0]]), json.loads(json.dumps(f.config()))
    )
    again.load_state_dict(f.state_dict())
    x = torch.rand(5, 4, 2, generator=generator(6), dtype=torch.float64)
    assert torch.equal(again(x), f(x))
    assert torch.equal(copy.deepcopy(f)(x), f(x))
    assert again.parameter_count == f.parameter_count
    assert f(x).shape == (5, 4, 2)


@pytest.mark.parametrize("normalised", [False, True])
def test_an_encoding_is_twice_differentiable_by_points(normalised):
    encoding = RadialEncoding(kernels(), normalised)
    f = RadialField(BOX[:, :2].contiguous(), encoding.kernels, normalised)
    x = torch.rand(20, 2, generator=generator(7), dtype=torch.float64).requires_grad_()
    assert encoding.width == 2
    slope = torch.autograd.grad(encoding.features(x).tanh().sum(), x, create_graph=True)[0]
    (found,) = torch.autograd.grad(slope.square().sum(), encoding.kernels.features)
    value, native = f.values(x), f.slopes(x)
    slope = ((1 - value.tanh() ** 2)[:, :, None] * native).sum(1)
    (expected,) = torch.autograd.grad(slope.square().sum(), encoding.kernels.features)
    torch.testing.assert_close(found, expected)


def test_bad_fields_are_told():
    with pytest.raises(InvalidInput, match="3-dimensional"):
        RadialField(BOX, kernels(2))
    with pytest.raises(InvalidInput, match="float32"):
        RadialField(BOX[:, :2].float(), kernels(2))
    sines = kernels(2, frequencies=torch.ones(2, dtype=torch.float64))
    with pytest.raises(InvalidInput, match="neither frequencies nor waves"):
        RadialField(BOX[:, :2].contiguous(), sines, normalised=True)
    with pytest.raises(InvalidInput, match="no frequencies"):
        RadialEncoding(sines, normalised=True)


def test_held_pairs_are_those_of_the_same_points() -> None:
    """Views of one tensor, points changed through other memory, and inference mode."""
    f = field()
    points = torch.rand(200, 2, dtype=BOX.dtype)

    def fresh(x):
        f.kernels.forget()
        return f(x.clone())

    first = f(points[:100])
    torch.testing.assert_close(f(points[::2]), fresh(points[::2]))
    torch.testing.assert_close(first, fresh(points[:100]))
    f(points)
    points.numpy()[50] = points.numpy()[51]  # no version of the tensor tells
    torch.testing.assert_close(f(points), fresh(points))
    with torch.inference_mode():
        assert f(points.clone()).shape == (200, f.channels)
