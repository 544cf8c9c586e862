"""The polar decomposition g = exp(x) k of matrices of positive determinant: x symmetric, k a rotation.

Smooth, one to one and onto: unlike exp and log of the group it covers every element (Mironenco and Forre, "Lie Group
Decompositions for Equivariant Neural Networks", ICLR 2024, section 3; Hall, "Lie Groups, Lie Algebras, and
Representations", 2015, section 2.5). From the singular values of g itself, never from g g', whose condition number is
the square of g's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from geokit.equivariant.lie import quotients, two_by_two
from geokit.equivariant.lie.small_eigen import singular_values


def polar(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """x (..., n, n) symmetric and k (..., n, n) rotations with exp(x) k = matrices (..., n, n).

    Gradients, of first order, are finite wherever the determinant is positive, at equal singular values too: with
    g = U S V' only sums s_i + s_j and the divided differences of the logarithm appear. The determinant is not looked
    at: where it is zero or negative x holds values that are not finite, or k is no rotation.
    """
    n = matrices.shape[-1]
    if n == 1:
        return matrices.log(), torch.ones_like(matrices)
    if n == 2:
        return two_by_two.polar(matrices)
    x, k, *_ = _Polar.apply(matrices)
    return x, k


class _Polar(torch.autograd.Function):
    @staticmethod
    def forward(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        u, s, vh = singular_values(matrices)
        return (u * s.log()[..., None, :]) @ u.mT, u @ vh, u, s, vh

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(*output[2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_x: Tensor, grad_k: Tensor, *unused: Tensor) -> Tensor:
        # With W = U' dg V: dp has the entries (s_j W_ij + s_i W_ji) / (s_i + s_j) and dk k' the entries
        # (W_ij - W_ji) / (s_i + s_j), both in the basis U.
        u, s, vh = ctx.saved_tensors
        row, column = s[..., :, None], s[..., None, :]
        inner_x, inner_k = u.mT @ grad_x @ u, u.mT @ grad_k @ vh.mT
        inner_x = quotients.log_difference(row, column) * (inner_x + inner_x.mT)
        return u @ ((column * inner_x + inner_k - inner_k.mT) / (row + column)) @ vh
