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

from geokit.backend.checks import FLOATS
from geokit.equivariant.lie import quotients, two_by_two
from geokit.equivariant.lie.small_eigen import singular_values
from geokit.errors import InvalidInput


def polar(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """x (..., n, n) symmetric and k (..., n, n) rotations with exp(x) k = matrices (..., n, n).

    Gradients, of first order, are finite wherever the determinant is positive, at equal singular values too: with
    g = U S V' only sums s_i + s_j and the divided differences of the logarithm appear. Where the determinant is zero or
    negative, or a matrix is not finite, x and k are not a number; others in the batch are not touched. Works under
    `torch.func.vmap`. Raises `InvalidInput` for matrices that are not square, and not float32 or float64.
    """
    if matrices.dim() < 2 or matrices.shape[-1] != matrices.shape[-2] or matrices.dtype not in FLOATS:
        raise InvalidInput(
            f"the polar decomposition is of float32 or float64 matrices (..., n, n), got {matrices.dtype} of shape "
            f"{tuple(matrices.shape)}"
        )
    n = matrices.shape[-1]
    if n == 1:
        proper = (matrices > 0) & matrices.isfinite()
        return torch.where(proper, matrices, torch.nan).log(), torch.where(proper, torch.ones_like(matrices), torch.nan)
    if n == 2:
        return two_by_two.polar(matrices)
    x, k, *_ = _Polar.apply(matrices)
    return x, k


class _Polar(torch.autograd.Function):
    @staticmethod
    def forward(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        u, s, vh = singular_values(matrices)
        k = u @ vh
        # The sign of the determinant is that of the orthogonal factor, where rounding cannot change it.
        proper = ((s > 0).all(-1) & (orientation(k) > 0))[..., None]
        x = (u * torch.where(proper, s.log(), torch.nan)[..., None, :]) @ u.mT
        return x, torch.where(proper[..., None], k, torch.nan), u, s, vh

    @staticmethod
    def vmap(info: Any, dims: tuple[int], matrices: Tensor) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _Polar.apply(matrices.movedim(dims[0], 0)), (0,) * 5

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


def orientation(k: Tensor) -> Tensor:
    """(...) the determinant of matrices (..., n, n); for n = 3 as a triple product, LAPACK goes one at a time."""
    if k.shape[-1] != 3:
        return torch.linalg.det(k)
    return (torch.linalg.cross(k[..., 0, :], k[..., 1, :], dim=-1) * k[..., 2, :]).sum(-1)
