"""Axis-angle vectors: the Lie algebra so(3), its exponential and logarithm.

The direction of a vector is the axis, by the right hand; its length is the angle in radians.
"""

import torch
from torch import Tensor

from geokit.geometry.rotations.quaternions import quaternion_from_matrix, upper_half
from geokit.geometry.rotations.series import arc_tangent, check_batch, sinc, sine_defect, versine


def skew_matrix(vectors: Tensor) -> Tensor:
    """(..., 3, 3) the matrices [v] with [v] u = v x u, of vectors (..., 3)."""
    check_batch("vectors", vectors, (3,))
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


def vector_from_skew(matrices: Tensor) -> Tensor:
    """(..., 3) the vectors of the antisymmetric parts of matrices (..., 3, 3)."""
    check_batch("matrices", matrices, (3, 3))
    difference = 0.5 * (matrices - matrices.mT)
    return torch.stack([difference[..., 2, 1], difference[..., 0, 2], difference[..., 1, 0]], dim=-1)


def quaternion_from_axis_angle(vectors: Tensor) -> Tensor:
    """(..., 4) unit quaternions (cos(a / 2), sin(a / 2) axis) of axis-angle vectors (..., 3) with angle a."""
    check_batch("vectors", vectors, (3,))
    square = 0.25 * vectors.square().sum(-1, keepdim=True)
    half = 0.5 * sinc(square)
    # cos(x) = 1 - 2 sin(x / 2)^2, as a function of x^2 without a root at zero.
    return torch.cat([1 - square * versine(square), half * vectors], dim=-1)


def matrix_from_axis_angle(vectors: Tensor) -> Tensor:
    """(..., 3, 3) the exponential map: Rodrigues' formula I + sin(a)/a [v] + (1 - cos(a))/a^2 [v]^2.

    vectors: (..., 3) axis times angle, of any angle. Smooth everywhere, at zero too.
    """
    skew = skew_matrix(vectors)
    square = vectors.square().sum(-1)[..., None, None]
    return torch.eye(3).to(vectors) + sinc(square) * skew + versine(square) * (skew @ skew)


def axis_angle_from_quaternion(quats: Tensor) -> Tensor:
    """(..., 3) axis times angle, the angle in [0, pi], of quaternions (..., 4) of any non-zero length.

    Accurate at zero and at pi. The map jumps at pi, where v and -v are the same rotation: either may come, and the
    gradient is the one of the side it came from. A zero quaternion gives zero.
    """
    check_batch("quats", quats, (4,))
    quats = upper_half(torch.nn.functional.normalize(quats, dim=-1))
    w, axis = quats[..., :1], quats[..., 1:]
    square = axis.square().sum(-1, keepdim=True)
    near = square < 0.01 * w * w
    one = torch.ones_like(w)
    ratio = torch.where(near, square, torch.zeros_like(w)) / torch.where(near, w, one).square()
    small = 2 * arc_tangent(ratio) / torch.where(near, w, one)
    length = torch.where(near | (square == 0), one, square).sqrt()
    return torch.where(near, small, 2 * torch.atan2(length, torch.where(near, one, w)) / length) * axis


def axis_angle_from_matrix(matrices: Tensor) -> Tensor:
    """(..., 3) the logarithm of rotation matrices (..., 3, 3): axis times angle, the angle in [0, pi].

    Accurate to rounding at zero and at pi, as are its gradients; see `axis_angle_from_quaternion` for half turns.
    """
    return axis_angle_from_quaternion(quaternion_from_matrix(matrices))


def left_jacobian(vectors: Tensor) -> Tensor:
    """(..., 3, 3) J with exp(v + dv) = exp(J dv) exp(v) to first order, of axis-angle vectors v (..., 3).

    J = I + (1 - cos(a))/a^2 [v] + (a - sin(a))/a^3 [v]^2 (Chirikjian 2011, section 10.6). J also maps the
    translational part of a screw motion to the translation of its exponential in SE(3).
    """
    skew = skew_matrix(vectors)
    square = vectors.square().sum(-1)[..., None, None]
    return torch.eye(3).to(vectors) + versine(square) * skew + sine_defect(square) * (skew @ skew)
