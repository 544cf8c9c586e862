"""What a map does to tangent planes: does it turn them over, and how much does it stretch them?

If the map T takes shape 2 to shape 1, its functional map C_12 takes f to f o T, so the gradients of the two are tied by
the 2x2 Jacobian J of T between tangent planes: grad2 (f o T) = J^T grad1 f. Least squares over all eigenfunctions f of
shape 1 gives J from C alone. In outward frames det J > 0 where T keeps the orientation; a mirrored map has det J < 0
almost everywhere, a half-reversed one in patches.
"""

import torch
from torch import Tensor


def jacobians(maps: Tensor, gradients2: Tensor, gradients1: Tensor) -> Tensor:
    """(B, S, 2, 2) J of B maps (B, K2, K1) at S places.

    gradients2: (S, 2, K2) of the eigenfunctions of shape 2 at the places. gradients1: (B, S, 2, K1) of those of shape
    1 at the places' images under each map. Where the gradients of shape 1 vanish, J is zero.
    """
    places, _, count = gradients2.shape
    carried = (gradients2.reshape(-1, count) @ maps).reshape(len(maps), places, 2, -1)
    products = gradients1 @ carried.mT
    (a, b), (_, d) = (row.unbind(-1) for row in (gradients1 @ gradients1.mT).unbind(-2))
    least = 1e-3 * (a + d) + 1e-20  # keeps the inverse of the 2x2 normal matrix finite where gradients are parallel
    a, d = a + least, d + least
    inverse = torch.stack((d, -b, -b, a), -1).unflatten(-1, (2, 2)) / (a * d - b * b)[..., None, None]
    return inverse @ products


def stretches(jacobian: Tensor) -> tuple[Tensor, Tensor]:
    """Distortion and orientation of Jacobians (..., 2, 2): (...) each.

    Distortion: |log s1| + |log s2| of the singular values, each at most 2, 0 for an isometry. Orientation: the sign
    of the determinant.
    """
    a, b, c, d = jacobian.flatten(-2).unbind(-1)
    mean, determinant = (a * a + b * b + c * c + d * d) / 2, a * d - b * c
    larger = (mean + (mean.square() - determinant.square()).clamp(min=0).sqrt()).clamp(min=1e-8)
    smaller = (determinant.square() / larger).clamp(min=1e-8)
    logs = [(value.log() / 2).abs().clamp(max=2) for value in (larger, smaller)]
    return logs[0] + logs[1], determinant.sign()
