import pytest
import torch
from torch.nn import functional as F

from geokit.equivariant.continuous_conv import (
    ContinuousConv1d,
    ContinuousConv2d,
    fourier_convolution,
    plain_convolution,
)
from geokit.equivariant.lie.kernels import KERNELS, make_kernel
from geokit.errors import InvalidInput

NAMES = list(KERNELS)


def summed(x, weight, before):
    """The definition, one product at a time: x (C_in, *grid), weight (C_out, C_in, *taps)."""
    y = torch.zeros(weight.shape[0], *x.shape[1:], dtype=x.dtype)
    grid = [range(n) for n in x.shape[1:]]
    for t in torch.cartesian_prod(*map(torch.tensor, grid)).reshape(-1, len(grid)).tolist():
        for s in torch.cartesian_prod(*[torch.arange(n) for n in weight.shape[2:]]).reshape(-1, len(grid)).tolist():
            at = [a - b + c for a, b, c in zip(t, s, before)]
            if all(0 <= a < n for a, n in zip(at, x.shape[1:])):
                y[(slice(None), *t)] += weight[(slice(None), slice(None), *s)] @ x[(slice(None), *at)]
    return y


@pytest.mark.parametrize(("grid", "taps", "before"), [((9,), (4,), (0,)), ((9,), (5,), (2,)), ((4, 5), (3, 5), (1, 2))])
@pytest.mark.parametrize("convolve", [fourier_convolution, plain_convolution])
def test_both_ways_are_the_sum_that_they_say(grid, taps, before, convolve):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, *grid, dtype=torch.float64), torch.randn(4, 3, *taps, dtype=torch.float64)
    expected = torch.stack([summed(one, weight, before) for one in x])
    assert torch.allclose(convolve(x, weight, list(before)), expected, atol=1e-12)
    each = torch.randn(3, 1, *taps, dtype=torch.float64)
    expected = torch.stack([torch.cat([summed(c[None], w[None], before) for c, w in zip(one, each)]) for one in x])
    assert torch.allclose(convolve(x, each, list(before)), expected, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depthwise", [False, True])
def test_white_noise_keeps_its_size(name, depthwise):
    torch.manual_seed(1)
    sizes = []
    for _ in range(6):
        conv = ContinuousConv1d(8, 8, 41, kernel=name, causal=False, depthwise=depthwise)
        sizes.append(conv(torch.randn(4, 8, 200))[..., 20:-20].square().mean())
    assert torch.stack(sizes).mean().sqrt().item() == pytest.approx(1, rel=0.25)
    sizes = []
    for _ in range(6):
        conv = ContinuousConv2d(8, 8, 11, kernel=name, depthwise=depthwise)
        sizes.append(conv(torch.randn(2, 8, 30, 30))[..., 5:-5, 5:-5].square().mean())
    assert torch.stack(sizes).mean().sqrt().item() == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [8, 60])
def test_a_causal_convolution_does_not_see_the_future(name, length):
    torch.manual_seed(2)
    conv = ContinuousConv1d(2, 3, length, kernel=name).double()
    x = torch.randn(1, 2, 60, dtype=torch.float64)
    later = x.clone()
    later[..., 30:] += 1
    difference = (conv(later) - conv(x)).abs()
    assert difference[..., :30].max() < 1e-12
    assert difference[..., 30:].max() > 1e-3


@pytest.mark.parametrize("depthwise", [False, True])
def test_translation_moves_the_output_along(depthwise):
    torch.manual_seed(3)
    conv = ContinuousConv2d(2, 2, 13, depthwise=depthwise).double()
    x = torch.zeros(1, 2, 40, 40, dtype=torch.float64)
    x[..., 15:20, 15:20] = torch.randn(1, 2, 5, 5, dtype=torch.float64)
    moved = conv(x.roll((3, -2), (2, 3)))
    assert torch.allclose(moved, conv(x).roll((3, -2), (2, 3)), atol=1e-12)


def smooth(t):
    return torch.stack([torch.sin(0.7 * t) * torch.exp(-((t - 20) ** 2) / 80), torch.cos(0.4 * t) + 0.1 * t / 40])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_weights_give_the_same_function_at_another_resolution(name):
    """The response differs from an integral by a term in the spacing: it halves with it."""
    torch.manual_seed(4)
    options = {"points": 12, "radius": 0.5} if name == "points" else {} if name == "mlp" else {"omega": 4.0}
    conv = ContinuousConv1d(2, 3, 21, kernel=name, **options).double()

    def response(step):
        t = torch.arange(0, 40, step, dtype=torch.float64)
        return conv(smooth(t)[None], step)[..., :: round(1 / step)]

    exact = response(1 / 32)
    errors = [((response(s) - exact).square().mean() / exact.square().mean()).sqrt().item() for s in (1, 1 / 2, 1 / 4)]
    assert errors[0] < 0.5
    assert errors[2] < 0.4 * errors[0]


def test_a_flexible_kernel_agrees_between_resolutions_to_four_digits_in_the_plane():
    """Its mask leaves no edge, and a band-limited function is integrated exactly by a sum."""
    torch.manual_seed(5)
    conv = ContinuousConv2d(1, 2, 15, kernel="flexconv", omega=4.0, width=0.2).double()
    coarse = torch.arange(24, dtype=torch.float64)
    fine = torch.arange(0, 23.25, 0.5, dtype=torch.float64)

    def image(t):
        bump = torch.exp(-((t - 12) ** 2) / 20)
        return (bump[:, None] * bump * torch.sin(0.5 * t))[None, None]

    a, b = conv(image(coarse)), conv(image(fine), 0.5)[..., ::2, ::2]
    assert (a - b).abs().max() < 1e-3 * a.abs().max()


def test_a_kernel_at_twice_the_resolution_has_the_same_values_where_both_have_one():
    conv = ContinuousConv1d(2, 3, 21, causal=False)
    coarse, fine = (conv.sampled_kernel(s, torch.zeros(1, 2, 100)) for s in (1.0, 0.5))
    assert fine.shape[-1] == 2 * coarse.shape[-1] - 1
    assert torch.allclose(2 * fine[..., ::2], coarse, atol=1e-5)


@pytest.mark.parametrize(
    ("grid", "weight", "before"),
    [((20,), (3, 2, 7), [3]), ((20,), (2, 1, 7), [0]), ((4, 5), (3, 2, 3, 3), [1, 1]), ((4, 5), (2, 1, 3, 3), [1, 2])],
)
def test_gradients_once_and_twice(grid, weight, before):
    torch.manual_seed(6)
    x = torch.randn(2, 2, *grid, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(*weight, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: fourier_convolution(x, w, before), (x, weight))
    assert torch.autograd.gradgradcheck(lambda x, w: fourier_convolution(x, w, before), (x, weight))


def test_a_kernel_of_ones_is_a_box():
    conv = ContinuousConv1d(1, 1, 5, kernel=make_kernel("mlp", 1, 1), causal=False)
    with torch.no_grad():
        for parameter in conv.kernel.parameters():
            parameter.zero_()
        conv.kernel.out.bias.fill_(1)
    x = torch.randn(1, 1, 30)
    assert torch.allclose(conv(x), F.conv1d(x, torch.ones(1, 1, 5), padding=2), atol=1e-5)


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("in_channels must be a whole number", lambda: ContinuousConv1d(0, 1, 5)),
        ("a depthwise convolution keeps its channels", lambda: ContinuousConv1d(2, 3, 5, depthwise=True)),
        ("must be odd, so that it has a centre, got 4", lambda: ContinuousConv1d(2, 3, 4, causal=False)),
        ("must be at least 1, got 0", lambda: ContinuousConv1d(2, 3, 0)),
        ("must be odd", lambda: ContinuousConv2d(2, 3, (5, 4))),
        ("must map 1 coordinates to 6 values", lambda: ContinuousConv1d(2, 3, 4, kernel=make_kernel("siren", 1, 5))),
        (r"x must be \(B, 2, L\), got \(1, 3, 9\)", lambda: ContinuousConv1d(2, 3, 4)(torch.zeros(1, 3, 9))),
        (r"x must be \(B, 2, H, W\)", lambda: ContinuousConv2d(2, 3, 5)(torch.zeros(2, 9, 9))),
        ("step must be positive", lambda: ContinuousConv1d(2, 3, 4)(torch.zeros(1, 2, 9), step=0.0)),
    ],
)
def test_bad_arguments_are_told(message, make):
    with pytest.raises(InvalidInput, match=message):
        make()
