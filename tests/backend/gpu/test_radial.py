"""Sums of radial kernels on the GPU, and the search for their pairs, against the CPU."""

import pytest
import torch

from geokit.backend.radial_ops import PIECE, PROFILES, radial_sum
from geokit.backend.radial_pairs import RadialPairs, radial_pairs
from tests.backend.test_radial_ops import SUPPORT, every_case, inputs, pairs_of
from tests.reference.agreement import assert_agrees

CASES = [case for case in every_case() if case[0] in ("markov", "wendland4", "gaussian", "hat")]
CASES += [(profile, 2, 1, False) for profile in PROFILES]
FREQUENCIES = torch.tensor([0.5, 2.0, 5.0, 1.0, 3.0], dtype=torch.float64)


def in_turn(pairs: RadialPairs) -> list[torch.Tensor]:
    """The pairs, with the kernels of each query in ascending order: which order they are in is the device's own."""
    queries, kernels = pairs.owners()
    place = torch.argsort(queries * len(pairs.by_kernel[0]) + kernels)
    return [pairs.by_query[0], pairs.by_query[1][place], *pairs.by_kernel, pairs.order]


@pytest.mark.parametrize("hat", [False, True])
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("name", ["even", "clusters", "one outlier", "one place", "none", "one"])
def test_pairs(device, name, d, hat):
    g = torch.Generator().manual_seed(3)
    n = {"none": 0, "one": 1}.get(name, 700)
    x = torch.rand(n, d, generator=g, dtype=torch.float64)
    if name == "clusters":
        x = x**8
    elif name == "one outlier":
        x[5] = 1e6
    elif name == "one place":
        x = x[:1].repeat(n, 1)
    # From kernels over everything to some a thousand times smaller, as long as they are thin.
    size = 10 ** (-3 * torch.rand(40, 1, generator=g, dtype=torch.float64))
    factors = torch.randn(40, d * (d + 1) // 2, generator=g, dtype=torch.float64)
    for k in range(d):
        factors[:, k * (k + 3) // 2] = 0.1 + 3 * factors[:, k * (k + 3) // 2].abs()
    centres = 1.4 * torch.rand(40, d, generator=g, dtype=torch.float64) - 0.2
    if n:
        centres[:20] = x[torch.randint(n, (20,), generator=g)]

    def found(x, centres, factors):
        return in_turn(radial_pairs(x, centres, factors, 1.3, hat))

    assert_agrees(device, found, x, centres, factors / size)


@pytest.mark.parametrize("sines", [False, True])
@pytest.mark.parametrize(("profile", "d", "order", "waves"), CASES)
def test_sums_and_their_gradients(device, profile, d, order, waves, sines):
    x, shapes, features = (t.requires_grad_() for t in inputs(d, n=70, m=9, f=5, waves=waves))

    def sums(x, shapes, features, frequencies):
        pairs = pairs_of(x, shapes, profile)
        return radial_sum(x, shapes, features, pairs, profile, SUPPORT, order, frequencies, waves)

    assert_agrees(device, sums, x, shapes, features, FREQUENCIES if sines else None)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("channels", [1, 4, 8, 19])
def test_any_number_of_channels(device, channels, order):
    x, shapes, features = (t.requires_grad_() for t in inputs(3, n=33, m=5, f=channels))

    def sums(x, shapes, features):
        return radial_sum(x, shapes, features, pairs_of(x, shapes, "bump"), "bump", SUPPORT, order)

    assert_agrees(device, sums, x, shapes, features)


def test_lists_of_very_different_lengths(device):
    """One kernel has all queries and some have none; the queries in one place have all kernels but those."""
    x, shapes, features = inputs(2, n=3 * PIECE + 5, m=50, f=2)
    x[: 2 * PIECE] = x[0] + 1e-3 * x[: 2 * PIECE]
    shapes[0, 2:5] = torch.tensor([1e-2, 0.0, 1e-2])
    shapes[40:, :2] += 100
    assert len(pairs_of(x, shapes, "gaussian").by_kernel[1]) > 3 * PIECE

    def sums(x, shapes, features):
        return radial_sum(x, shapes, features, pairs_of(x, shapes, "gaussian"), "gaussian", SUPPORT, 1)

    assert_agrees(device, sums, *(t.requires_grad_() for t in (x, shapes, features)))


@pytest.mark.parametrize("by", [(0,), (1,), (2,)])
def test_one_gradient_alone(device, by):
    leaves = inputs(2, f=2)
    for number in by:
        leaves[number].requires_grad_()

    def sums(x, shapes, features):
        return radial_sum(x, shapes, features, pairs_of(x, shapes, "wendland2"), "wendland2", SUPPORT)

    assert_agrees(device, sums, *leaves)


def test_the_gradient_of_values_can_be_trained(device):
    def trained(x, shapes, features):
        value = radial_sum(x, shapes, features, pairs_of(x, shapes, "gaussian"), "gaussian", SUPPORT)[:, 0]
        slope = torch.autograd.grad(value.tanh().sum(), x, create_graph=True)[0]
        return (slope.square().sum(1) - 1).square()

    assert_agrees(device, trained, *(t.requires_grad_() for t in inputs(2)))


@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (5, 1)])
def test_few_points_and_kernels(device, n, m):
    def sums(x, shapes, features):
        return radial_sum(x, shapes, features, pairs_of(x, shapes, "markov"), "markov", SUPPORT, 2)

    assert_agrees(device, sums, *(t.requires_grad_() for t in inputs(3, n=n, m=m)))


def test_arguments_that_are_not_contiguous(device):
    x, shapes, features = inputs(2, n=64, m=10, f=6)

    def sums(x, shapes, features):
        x, shapes, features = x.T, shapes[::2], features[::2, ::2]
        return radial_sum(x, shapes, features, pairs_of(x, shapes, "bump"), "bump", SUPPORT).transpose(0, 2)

    assert_agrees(device, sums, *(t.requires_grad_() for t in (x.T.contiguous(), shapes, features)))
