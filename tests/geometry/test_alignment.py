import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput, NumericalFailure
from geokit.geometry.alignment import kabsch, umeyama
from geokit.geometry.rotations import random_rotations
from tests.reference import scenes


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(points: torch.Tensor, rotation: torch.Tensor, translation: torch.Tensor, scale: float = 1) -> torch.Tensor:
    return scale * points @ rotation.mT + translation


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(3, 30),
    st.floats(0.01, 100),
    st.sampled_from([(1, 1, 1), (1, 1, 0), (1, 1, 1e-4)]),
)
def test_recovers_the_motion_that_made_the_target(seed, count, size, shape):
    source = size * scenes.normal(scenes.generator(seed), count, 3) * torch.tensor(shape, dtype=torch.float64)
    rotation, translation = random_rotations((), generator=generator(seed)), torch.tensor([3.0, -2.0, 9.0]).double()
    found, shift = kabsch(source, moved(source, rotation, translation))
    torch.testing.assert_close(found, rotation, rtol=0, atol=1e-6)
    torch.testing.assert_close(shift, translation, rtol=0, atol=1e-6 * size + 1e-9)
    both = umeyama(source, moved(source, rotation, translation, 0.7))
    torch.testing.assert_close(both.scale, torch.tensor(0.7).double())
    ones = torch.ones(count, 1, dtype=torch.float64)
    homogeneous = torch.cat([source, ones], 1) @ both.matrix.T
    expected = torch.cat([moved(source, rotation, translation, 0.7), ones], 1)
    torch.testing.assert_close(homogeneous, expected, rtol=0, atol=1e-9 * (1 + size))


def test_is_the_least_of_the_weighted_residuals_and_never_a_reflection():
    source, target = scenes.normal(scenes.generator(0), 12, 3), scenes.normal(scenes.generator(1), 12, 3)
    weights = torch.rand(12, generator=generator(2), dtype=torch.float64)
    for mirrored in (target, source * torch.tensor([1.0, 1.0, -1.0])):
        found = umeyama(source, mirrored, weights)
        assert float(torch.linalg.det(found.rotation)) > 0

        def cost(matrix, goal=mirrored):
            gone = source @ matrix[:3, :3].T + matrix[:3, 3] - goal
            return float((weights * gone.square().sum(1)).sum())

        best = cost(found.matrix)
        for seed in range(100):
            step = 0.05 * scenes.normal(scenes.generator(seed), 3)
            turn = torch.linalg.matrix_exp(0.1 * torch.linalg.cross(torch.eye(3).double(), step.expand(3, 3)))
            other = found.matrix.clone()
            other[:3, :3] = (1 + 0.1 * float(step[0])) * turn @ other[:3, :3]
            other[:3, 3] += step
            assert cost(other) >= best


def test_weights_of_zero_leave_pairs_out_and_batches_are_one_by_one():
    source, target = scenes.normal(scenes.generator(3), 4, 9, 3), scenes.normal(scenes.generator(4), 4, 9, 3)
    weights = torch.ones(4, 9, dtype=torch.float64)
    weights[:, 6:] = 0
    together = umeyama(source, target, weights)
    for n in range(4):
        alone = umeyama(source[n, :6], target[n, :6])
        for a, b in zip(alone, together):
            torch.testing.assert_close(a, b[n])
    rotation, translation = kabsch(source[0], target)
    assert rotation.shape == (4, 3, 3)
    assert translation.shape == (4, 3)
    assert kabsch(source.float(), target.float())[0].dtype == torch.float32


def test_gradients():
    source, target = (scenes.normal(scenes.generator(s), 2, 5, 3).requires_grad_() for s in (5, 6))
    weights = torch.rand(2, 5, generator=generator(7), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda *args: tuple(umeyama(*args)), (source, target, weights))
    assert torch.autograd.gradcheck(lambda *args: kabsch(*args), (source, target, weights))
    # Equal singular values: the corners of a regular tetrahedron, moved.
    corners = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]], dtype=torch.float64).requires_grad_()
    goal = moved(corners.detach(), random_rotations((), generator=generator(1)), torch.ones(3).double())
    assert torch.autograd.gradcheck(lambda s: kabsch(s, goal), corners)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_points_on_a_line_give_one_of_the_best_motions(count):
    line = torch.linspace(-1, 1, count, dtype=torch.float64)[:, None] * torch.tensor([1.0, 2.0, 2.0]).double()
    line.requires_grad_()
    rotation = random_rotations((), generator=generator(8))
    goal = moved(line.detach(), rotation, torch.ones(3).double())
    found, shift = kabsch(line, goal)
    torch.testing.assert_close(moved(line, found, shift), goal)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(()).double())
    assert bool(torch.isfinite(torch.autograd.grad(found.sum() + shift.sum(), line)[0]).all())


def test_nothing_to_align():
    points = torch.rand(4, 3)
    with pytest.raises(NumericalFailure, match="no points of positive weight"):
        kabsch(points[:0], points[:0])
    with pytest.raises(NumericalFailure, match="no points of positive weight"):
        kabsch(points, points, torch.zeros(4))
    with pytest.raises(NumericalFailure, match="no scale is determined"):
        umeyama(torch.ones(4, 3), points)
    with pytest.raises(InvalidInput, match="must not be negative"):
        kabsch(points, points, torch.tensor([1.0, 1, 1, -1]))
    with pytest.raises(InvalidInput, match=r"target must have shape \(4, 3\)"):
        kabsch(points, points[:3])
