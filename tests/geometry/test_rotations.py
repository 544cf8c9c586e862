import math

import torch

from geokit.geometry.rotations import matrix_from_quaternion
from tests.reference import projection, scenes

QUATS = scenes.normal(scenes.generator(0), 50, 4)


def product(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Hamilton's product of quaternions (w, x, y, z)."""
    (a, u), (b, v) = ((t[..., :1], t[..., 1:]) for t in (p, q))
    return torch.cat([a * b - (u * v).sum(-1, keepdim=True), a * v + b * u + torch.linalg.cross(u, v)], -1)


def test_agrees_with_the_reference():
    torch.testing.assert_close(matrix_from_quaternion(QUATS), projection.rotation_matrices(QUATS))


def test_is_a_rotation_for_quaternions_of_any_length():
    matrices = matrix_from_quaternion(QUATS)
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3, dtype=torch.float64).repeat(50, 1, 1))
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(50, dtype=torch.float64))
    for factor in (1e-3, -1.0, 40.0):
        torch.testing.assert_close(matrix_from_quaternion(factor * QUATS), matrices)


def test_products_of_quaternions_are_products_of_matrices():
    p, q = QUATS[:25], QUATS[25:]
    expected = matrix_from_quaternion(p) @ matrix_from_quaternion(q)
    torch.testing.assert_close(matrix_from_quaternion(product(p, q)), expected)


def test_turns_about_the_axis_by_the_right_hand():
    angle = 0.7
    for axis in range(3):
        quat = torch.zeros(4, dtype=torch.float64)
        quat[0], quat[1 + axis] = math.cos(angle / 2), math.sin(angle / 2)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        expected = torch.eye(3, dtype=torch.float64)
        expected[first, first] = expected[second, second] = math.cos(angle)
        expected[second, first], expected[first, second] = math.sin(angle), -math.sin(angle)
        torch.testing.assert_close(matrix_from_quaternion(quat), expected)


def test_keeps_the_batch_and_the_dtype_and_has_gradients():
    assert matrix_from_quaternion(torch.randn(2, 0, 5, 4)).shape == (2, 0, 5, 3, 3)
    assert matrix_from_quaternion(QUATS.float()).dtype == torch.float32
    assert torch.autograd.gradcheck(matrix_from_quaternion, QUATS[:3].clone().requires_grad_())
