"""As-rigid-as-possible deformation."""

import torch

from geokit.geometry.rotations import matrix_from_axis_angle
from geokit.spectral.deformation import Deformation, rotations, turned_towards
from geokit.spectral.shape import prepare
from tests.spectral.asymmetric import blob


def test_rotations_are_the_nearest():
    matrices = torch.randn(50, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turns = rotations(matrices)
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3, dtype=torch.float64).expand(50, 3, 3))
    assert torch.allclose(torch.linalg.det(turns), torch.ones(50, dtype=torch.float64))
    closeness = (turns * matrices).sum((1, 2))
    for seed in range(20):  # no rotation of many near the found one is nearer
        skew = 0.1 * torch.randn(50, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        others = torch.linalg.matrix_exp(skew - skew.mT) @ turns
        assert ((others * matrices).sum((1, 2)) <= closeness + 1e-12).all()


def test_steps_lead_to_the_nearest_rotations():
    generator = torch.Generator().manual_seed(3)
    nearest = rotations(torch.randn(50, 3, 3, dtype=torch.float64, generator=generator))
    stretched = nearest @ torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    tilted = matrix_from_axis_angle(torch.randn(50, 3, dtype=torch.float64, generator=generator)) @ nearest
    torch.testing.assert_close(turned_towards(tilted, stretched, 40), nearest, atol=1e-9, rtol=0)
    mirrored = stretched @ torch.diag(torch.tensor([1.0, 1.0, -0.1], dtype=torch.float64))
    assert torch.linalg.det(turned_towards(tilted, mirrored, 40)).min() > 0.999


def test_a_turned_and_moved_shape_is_reached_exactly_and_noise_is_smoothed():
    shape = prepare(blob(), 4)
    turn = rotations(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    targets = shape.mesh.vertices @ turn.T + 0.3
    deformation = Deformation(shape.mesh.vertices, shape.laplacian)
    pulls = 10.0 * shape.laplacian.masses
    turns = deformation.turns_at(targets)
    torch.testing.assert_close(turns, turn.expand_as(turns))
    torch.testing.assert_close(deformation.towards(targets, pulls, targets, turns)[0], targets)
    noisy = targets + 0.02 * torch.randn(targets.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    places, _ = deformation.towards(noisy, pulls, noisy, deformation.turns_at(noisy), rounds=5)
    assert (places - targets).norm(dim=1).mean() < 0.25 * (noisy - targets).norm(dim=1).mean()
