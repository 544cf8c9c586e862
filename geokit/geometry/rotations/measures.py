"""Distances, paths and random samples on the rotation group."""

from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.rotations.quaternions import matrix_from_quaternion, quaternion_from_matrix
from geokit.geometry.rotations.series import arc_tangent, check_batch, sinc


def rotation_angle(matrices: Tensor) -> Tensor:
    """(...) the angles in [0, pi] of rotation matrices (..., 3, 3), accurate at zero and at pi.

    The gradient with respect to the turn has length one; it is zero at the identity, where the angle has a cusp.
    """
    quats = quaternion_from_matrix(matrices)
    return 2 * torch.atan2(torch.linalg.vector_norm(quats[..., 1:], dim=-1), quats[..., 0])


def geodesic_distance(a: Tensor, b: Tensor) -> Tensor:
    """(...) the angle in radians, in [0, pi], of the turn between rotations a and b (..., 3, 3), which broadcast."""
    check_batch("a", a, (3, 3))
    check_batch("b", b, (3, 3))
    return rotation_angle(a.mT @ b)


def slerp(p: Tensor, q: Tensor, t: Tensor | float) -> Tensor:
    """(..., 4) the unit quaternions at the parts t of the shorter way from p (t = 0) to q (t = 1), at constant speed.

    p, q: (..., 4) unit quaternions; t: (...) or a number. All broadcast. Between rotations half a turn apart both ways
    are equally short, and one is taken.
    """
    check_batch("p", p, (4,))
    check_batch("q", q, (4,))
    part = torch.as_tensor(t, dtype=p.dtype, device=p.device)[..., None]
    q = torch.where((p * q).detach().sum(-1, keepdim=True) < 0, -q, q)
    # Half the angle between p and q has the tangent |p - q| / |p + q|; its square needs no root.
    ratio = (p - q).square().sum(-1, keepdim=True) / (p + q).square().sum(-1, keepdim=True)
    square = 4 * ratio * arc_tangent(ratio).square()
    whole = sinc(square)
    left, right = (1 - part) * sinc((1 - part).square() * square), part * sinc(part.square() * square)
    return torch.nn.functional.normalize((left * p + right * q) / whole, dim=-1)


def random_rotations(
    shape: int | Sequence[int] = (),
    n: int = 3,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Tensor:
    """(*shape, n, n) rotations of n dimensions, uniform (Haar measure).

    n = 3: a quaternion of four Gaussian numbers. Else: the Gram-Schmidt process on a Gaussian matrix (Stewart 1980).
    """
    if n < 1:
        raise InvalidInput(f"rotations need at least one dimension, got n = {n}")
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    if n == 3:
        quats = torch.randn(*size, 4, generator=generator, dtype=dtype, device=device)
        return matrix_from_quaternion(quats)
    gaussian = torch.randn(*size, n, n, generator=generator, dtype=dtype, device=device)
    q, r = torch.linalg.qr(gaussian)
    q = q * torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q)[..., None, :]
    # A reflected column turns O(n) into SO(n) and keeps the measure.
    first = q[..., :1] * torch.linalg.det(q).sign()[..., None, None]
    return torch.cat([first, q[..., 1:]], dim=-1)
