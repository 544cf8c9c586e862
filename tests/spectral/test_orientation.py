"""Jacobians from functional maps: linear maps of the plane give themselves back."""

import torch

from geokit.spectral.orientation import jacobians, stretches


def test_the_jacobian_of_a_linear_map_of_the_plane():
    """Functions x, y, x + 2 y pulled back by T(p) = J p have the gradients J^T e."""
    generator = torch.Generator().manual_seed(3)
    true = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    functions1 = torch.tensor([[1.0, 0, 1], [0, 1, 2]], dtype=torch.float64)
    functions2 = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    functional = functions2.T @ true.T @ functions1
    found = jacobians(functional[None, :2], functions2[None, :, :2], functions1[None, None])[0, 0]
    torch.testing.assert_close(found, true, rtol=5e-3, atol=5e-3)


def test_stretches_of_known_matrices():
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    wide = torch.diag(torch.tensor([2.0, 0.5], dtype=torch.float64))
    mirror = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    distortion, sign = stretches(torch.stack((turn, turn @ wide, mirror @ wide)))
    torch.testing.assert_close(distortion, torch.tensor([0, 2, 2], dtype=torch.float64) * torch.log(torch.tensor(2.0)))
    assert sign.tolist() == [1, 1, -1]


def test_vanishing_gradients_give_numbers():
    zero = torch.zeros(1, 4, 2, 5)
    distortion, sign = stretches(jacobians(torch.ones(1, 5, 5), zero[0], zero))
    assert bool(distortion.isfinite().all())
    assert bool(sign.isfinite().all())
