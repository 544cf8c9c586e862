"""The principal logarithm of general matrices."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geokit.equivariant.lie import two_by_two

_ROOTS = (24, 9, 7, 6, 6, 6)  # Newton steps of each square root; angles are halved by every one
_NODES, _WEIGHTS = (array.tolist() for array in np.polynomial.legendre.leggauss(8))


def matrix_log(matrices: Tensor) -> Tensor:
    """(..., n, n) X with exp(X) = A (..., n, n) and eigenvalues whose imaginary parts lie in (-pi, pi).

    Not every A has one: none of its eigenvalues may be zero or negative. n = 2 by a closed form, not a number outside
    the domain. Larger n by inverse scaling and squaring (Higham, "Functions of Matrices", 2008, section 11.5): six
    square roots by the product form of the Denman-Beavers iteration, then the Pade approximant of log(1 + X) as a
    Gauss-Legendre sum; in float64 whatever the dtype. Not a number where the roots do not converge, which is so
    outside the domain; near its border digits are lost, half of them for an angle within 1e-4 of pi. The gradient is
    the logarithm of a block matrix (theorem 3.6 there) and can be differentiated again.
    """
    if matrices.shape[-1] == 1:
        return matrices.log()
    if matrices.shape[-1] == 2:
        return two_by_two.log(matrices)
    return _MatrixLog.apply(matrices.double()).to(matrices.dtype)


class _MatrixLog(torch.autograd.Function):
    @staticmethod
    def forward(matrices: Tensor) -> Tensor:
        n = matrices.shape[-1]
        one = torch.eye(n, dtype=matrices.dtype, device=matrices.device)
        level = torch.linalg.slogdet(matrices)[1][..., None, None] / n
        root = matrices * torch.exp(-level)
        settled = torch.ones_like(level, dtype=torch.bool)
        for steps in _ROOTS:
            root, step = _square_root(root, one, steps)
            settled = settled & (step < 1e-5)
        rest = root - one
        total = torch.zeros_like(rest)
        for node, weight in zip(_NODES, _WEIGHTS):
            shifted = one + 0.5 * (1 + node) * rest
            total = total + 0.5 * weight * torch.linalg.solve_ex(shifted, rest)[0]
        # Newton's iteration wanders where there is no root.
        return torch.where(settled, 2.0 ** len(_ROOTS) * total + level * one, torch.nan)

    @staticmethod
    def vmap(info: Any, dims: tuple[int], matrices: Tensor) -> tuple[Tensor, int]:
        return _MatrixLog.apply(matrices.movedim(dims[0], 0)), 0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (matrices,) = ctx.saved_tensors
        n = matrices.shape[-1]
        # The corner is linear in the gradient: scaled to the matrix so that it does not spoil the roots.
        size = gradient.detach().abs().amax((-2, -1), keepdim=True).clamp_min(1e-300) if gradient.numel() else 1.0
        scale = matrices.detach().abs().amax((-2, -1), keepdim=True) / size if gradient.numel() else 1.0
        top = torch.cat([matrices.mT, gradient * scale], dim=-1)
        block = torch.cat([top, torch.cat([torch.zeros_like(gradient), matrices.mT], dim=-1)], dim=-2)
        return _MatrixLog.apply(block)[..., :n, n:] / scale


def _square_root(matrices: Tensor, one: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The principal square root, and by how much (..., 1, 1) the last step still changed it, relatively."""
    root, square = matrices, matrices
    for _ in range(steps):
        inverse = torch.linalg.inv_ex(square)[0]
        root = 0.5 * root @ (one + inverse)
        square = 0.5 * one + 0.25 * (square + inverse)
    change = 0.5 * (inverse - one)
    return root, change.abs().sum((-2, -1), keepdim=True)
