"""Layers on the circle: shifts stay shifts, exactly; the wrap's own gradient; templates."""

import pytest
import torch

from geokit.equivariant.lie.circular import CircularBlock, PoseReadout, _WrapAround


def features(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def block(size, stride, training):
    torch.manual_seed(0)
    made = CircularBlock(3, 5, size, stride).double().train(training)
    made.norm.running_mean.normal_()
    made.norm.running_var.uniform_(0.5, 2)
    return made


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize("size", [(5, 5), (3, 3), (3, 1), (7, 3)])
def test_shifts_by_the_stride_stay_shifts(size, stride, training):
    layer, x = block(size, stride, training), features(4, 3, 16, 9)
    with torch.no_grad():
        before = layer(x)
        assert before.shape == (4, 5, 16 // stride[0], -(-9 // stride[1]))
        for steps in (1, 3):
            after = layer(x.roll(steps * stride[0], 2))
            assert torch.allclose(after, before.roll(steps, 2), atol=1e-12)
        if stride[0] > 1:
            assert not torch.allclose(layer(x.roll(1, 2)), before, atol=1e-3)


def test_a_block_is_a_circular_convolution():
    layer, x = block((3, 3), (2, 1), False), features(2, 3, 8, 5)
    with torch.no_grad():
        around = torch.nn.functional.pad(x, (0, 0, 1, 1), mode="circular")
        plain = torch.nn.functional.conv2d(around, layer.convolution.weight, stride=(2, 1), padding=(0, 1))
        assert torch.allclose(layer(x), layer.norm(plain).relu())


@pytest.mark.parametrize("around", [1, 2, 3])
@pytest.mark.parametrize("angles", [3, 4, 8])
def test_the_wrap_and_its_gradient(around, angles):
    x = features(2, 2, angles, 3).requires_grad_()
    wanted = torch.nn.functional.pad(x, (0, 0, around, around), mode="circular")
    assert torch.equal(_WrapAround.apply(x, around), wanted)
    assert torch.autograd.gradcheck(lambda x: _WrapAround.apply(x, around), (x,))
    channels_last = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    weights = features(*wanted.shape, seed=1)
    (got,) = torch.autograd.grad((_WrapAround.apply(channels_last, around) * weights).sum(), channels_last)
    (own,) = torch.autograd.grad((wanted * weights).sum(), x)
    assert torch.allclose(got, own)


def test_a_kernel_of_one_angle_needs_no_wrap():
    layer, x = block((1, 3), (1, 1), False), features(2, 3, 6, 5).requires_grad_()
    layer(x).sum().backward()
    plain = torch.nn.functional.conv2d(x, layer.convolution.weight, padding=(0, 1))
    assert torch.allclose(layer(x), layer.norm(plain).relu())
    assert float(x.grad.abs().max()) > 0


def test_gradients_of_a_block():
    layer = block((3, 3), (2, 2), False)
    for x in (features(1, 3, 4, 4), features(1, 3, 4, 4).contiguous(memory_format=torch.channels_last)):
        assert torch.autograd.gradcheck(layer, (x.requires_grad_(),))


def test_templates_are_compared_at_every_angle():
    torch.manual_seed(0)
    layer, x = PoseReadout(2, 8, 3, 4, dropout=0.5).double().eval(), features(5, 2, 8, 3)
    torch.nn.init.normal_(layer.bias)
    with torch.no_grad():
        got = layer(x)
        assert got.shape == (5, 4, 8)
        templates = layer.templates.view(4, 2, 3, 8).transpose(2, 3)
        for j in range(8):
            wanted = (x[:, None] * templates.roll(j, 2)).sum((2, 3, 4)) + layer.bias
            assert torch.allclose(got[:, :, j], wanted)
        assert torch.allclose(layer(x.roll(3, 2)), got.roll(3, 2))
        layer.train()
        assert not torch.allclose(layer(x), got)
    assert torch.autograd.gradcheck(layer.eval(), (x[:1].requires_grad_(),))
