"""The error of equivariance of any model: known figures are found, and each action acts as it should."""

import math

import pytest
import torch

from geokit.equivariant import lie
from geokit.equivariant.measure import equivariance_error
from geokit.errors import InvalidInput
from geokit.geometry.rotations import random_rotations


class Rotations:
    """SO(n), and with `linear` all of GL(n)."""

    def __init__(self, n, linear=False):
        self.n, self.linear = n, linear

    def sample(self, count, *, generator=None):
        if self.linear:
            return torch.randn(count, self.n, self.n, generator=generator, dtype=torch.float64)
        return random_rotations(count, self.n, generator=generator)

    def act(self, g, points):
        return points @ g.mT


class Shifts:
    """Translations of the plane, as homogeneous matrices."""

    def sample(self, count, *, generator=None):
        elements = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
        elements[:, :2, 2] = 10 * torch.randn(count, 2, generator=generator, dtype=torch.float64)
        return elements

    def act(self, g, points):
        return points @ g[:2, :2].mT + g[:2, 2]


def cloud(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def generator():
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_exact_models_are_found_exact(dtype):
    x = cloud(4, 9, 3, dtype=dtype)
    bar = 1e-13 if dtype == torch.float64 else 1e-5
    size = equivariance_error(lambda p: p.norm(dim=-1), Rotations(3), x, generator=generator())
    double = equivariance_error(lambda p: p * p.norm(dim=-1, keepdim=True), Rotations(3), x, action_out="vectors")
    assert size.worst < bar
    assert double.worst < bar


def test_a_known_violation_is_measured_as_it_is():
    """f(x) = x + c e1 under rotations: the error is |c (e1 - g e1)| sqrt(rows) over the spread of x."""
    x = cloud(5, 7, 3)
    shift = torch.tensor([0.1, 0, 0]).double()
    found = equivariance_error(
        lambda p: p + shift, Rotations(3), x, action_out="vectors", count=50, generator=generator()
    )
    elements = Rotations(3).sample(50, generator=generator())
    spread = (x - x.mean((0, 1))).norm()
    want = (shift - elements @ shift).norm(dim=1) * math.sqrt(35) / spread
    torch.testing.assert_close(found.errors, want, rtol=1e-9, atol=0)
    assert found.mean == pytest.approx(float(want.mean()))
    assert found.std == pytest.approx(float(want.std()))
    assert found.worst == pytest.approx(float(want.max()))
    assert found.quantile(0.25) == pytest.approx(float(want.quantile(0.25)))
    torch.testing.assert_close(found.worst_element, elements[int(want.argmax())])


def test_its_repr_is_one_line_with_the_figures():
    text = repr(equivariance_error(lambda p: p[..., 0], Rotations(2), cloud(5, 2), count=7))
    assert "\n" not in text
    for part in ("7 elements", "mean", "50 %", "90 %", "worst"):
        assert part in text


def test_each_output_has_its_action_and_its_errors():
    x, v = cloud(6, 4, 3), cloud(6, 4, 3, seed=1)

    def model(points, vectors):
        return points + vectors, vectors[..., 0], vectors.mT @ vectors

    found = equivariance_error(
        model,
        Rotations(3),
        (x, v),
        action_in=("points", "vectors"),
        action_out=("points", "invariant", "matrices"),
        count=9,
    )
    assert found.by_output.shape == (9, 3)
    assert found.by_output[:, [0, 2]].max() < 1e-13
    assert found.by_output[:, 1].min() > 1e-2
    torch.testing.assert_close(found.errors, found.by_output[:, 1])


def test_gradients_are_covectors_under_general_linear_maps():
    """u . x for a covector u and a point x is invariant; with a vector for u it is not."""
    x, u = cloud(8, 3), cloud(8, 3, seed=1)
    errors = [
        equivariance_error(
            lambda a, b: (a * b).sum(-1), Rotations(3, linear=True), (x, u), action_in=("points", kind), count=20
        ).worst
        for kind in ("covectors", "vectors")
    ]
    assert errors[0] < 1e-9
    assert errors[1] > 0.1


def test_translations_move_points_and_not_vectors():
    x = cloud(3, 5, 2)
    exact = equivariance_error(lambda p: p - p.mean(1, keepdim=True), Shifts(), x, action_out="vectors")
    moved = equivariance_error(lambda p: 2 * p, Shifts(), x, action_out="points")
    assert exact.worst < 1e-12
    assert moved.mean > 1  # although the outputs are large


@pytest.mark.parametrize(
    "group", [lie.O(3), lie.SE(3), lie.Sim(2), lie.SL(2), lie.GLPlus(3), lie.Affine(lie.SL(2))], ids=str
)
def test_it_takes_the_lie_groups(group):
    """The mean of points moves with them under affine maps; the farthest point from it does so under similarities."""
    x = cloud(4, 9, group.n)

    def farthest(points):
        away = (points - points.mean(1, keepdim=True)).norm(dim=-1)
        return points.gather(1, away.argmax(1)[:, None, None].expand(-1, 1, points.shape[-1]))

    mean, far = (
        equivariance_error(f, group, x, action_out="points", count=30, generator=generator())
        for f in (lambda p: p.mean(1), farthest)
    )
    assert mean.worst < 1e-12
    assert (far.worst < 1e-12) == str(group).startswith(("O", "SE", "Sim"))


def test_an_action_may_be_any_callable():
    permutations = type("Permutations", (), {})()
    permutations.sample = lambda count, generator=None: torch.stack([torch.randperm(9) for _ in range(count)])
    shuffle = lambda order, tensor: tensor[order]  # noqa: E731
    x = cloud(9, 3)
    assert equivariance_error(lambda p: p.cumsum(0), permutations, x, action_in=shuffle, action_out=shuffle).mean > 0.1
    assert equivariance_error(lambda p: p.sin(), permutations, x, action_in=shuffle, action_out=shuffle).worst == 0


def test_images_are_turned_about_their_centre():
    quarter = type("Quarter", (), {})()
    turns = [torch.linalg.matrix_power(torch.tensor([[0.0, -1], [1, 0]]).double(), k) for k in range(4)]
    quarter.sample = lambda count, generator=None: torch.stack([turns[k % 4] for k in range(count)])
    blur = torch.nn.Conv2d(1, 1, 3, padding=1, bias=False).double()
    image = cloud(2, 1, 8, 8)
    error = lambda: equivariance_error(blur, quarter, image, action_in="image", action_out="image", count=4)  # noqa: E731
    assert error().worst > 1e-2
    with torch.no_grad():
        blur.weight[:] = torch.tensor([[1.0, 2, 1], [2, 5, 2], [1, 2, 1]])
    assert error().worst < 1e-14


def test_what_is_not_finite_is_not_called_exact():
    assert equivariance_error(lambda p: p / 0, Rotations(3), cloud(4, 3), count=2).worst == math.inf
    assert equivariance_error(lambda p: 0 * p[0] + p.sum(), Rotations(3), cloud(1, 3), count=2).worst > 0


def test_wrong_arguments_are_named():
    x = cloud(4, 3)
    with pytest.raises(InvalidInput, match="an action is a callable or one of"):
        equivariance_error(lambda p: p, Rotations(3), x, action_in="spinors")
    with pytest.raises(InvalidInput, match="one for each of the 1 tensors, got 2"):
        equivariance_error(lambda p: p, Rotations(3), x, action_in=("points", "points"))
    with pytest.raises(InvalidInput, match="at least one element"):
        equivariance_error(lambda p: p, Rotations(3), x, count=0)
    with pytest.raises(InvalidInput, match="homogeneous"):
        equivariance_error(lambda p: p[:, :1], Rotations(3), x, action_out="vectors")
    with pytest.raises(InvalidInput, match="share q from 0 to 1"):
        equivariance_error(lambda p: p, Rotations(3), x, count=1).quantile(2)
