"""The nearest rotation to a matrix: the special orthogonal Procrustes problem."""

from typing import Any

import torch
from torch import Tensor

from geokit.geometry.rotations.series import check_batch


def nearest_rotation(matrices: Tensor) -> Tensor:
    """(..., n, n) the rotations R that minimise |R - M| (Frobenius) for matrices M (..., n, n), by the SVD.

    With M = U S V' it is U diag(1, ..., 1, det(U V')) V' (Schoenemann 1966, Umeyama 1991; as a representation for
    networks: Levinson et al., "An Analysis of SVD for Deep Rotation Estimation", NeurIPS 2020).

    Derivatives of every order, by the formula that stays finite where singular values coincide, and the map is smooth:
    with P = R' M symmetric, R' dR is the antisymmetric X that solves P X + X P = R' dM - dM' R. Only the sums of
    eigenvalues of P divide, s_i + s_j, the last with the sign of the determinant. Where such a sum is zero, to
    rounding, the nearest rotation is not unique: one is returned, and no gradient flows along the free direction.
    A zero matrix gives a rotation, too. Not finite: not finite.
    """
    check_batch("matrices", matrices, ("n", "n"))
    return _NearestRotation.apply(matrices)


class _NearestRotation(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(matrices: Tensor) -> Tensor:
        # A common factor changes nothing, and keeps tiny and huge matrices inside the SVD's range.
        largest = matrices.abs().amax((-2, -1), keepdim=True) if matrices.numel() else matrices.new_ones(())
        u, _, vh = torch.linalg.svd(matrices / torch.where(largest > 0, largest, 1.0))
        sign = torch.linalg.det(u @ vh).sign()
        signs = torch.ones_like(u[..., 0])
        signs[..., -1] = torch.where(sign < 0, -1.0, 1.0)
        return (u * signs[..., None, :]) @ vh

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        matrices, rotation = ctx.saved_tensors
        return rotation @ _Sylvester.apply(rotation.mT @ matrices, rotation.mT @ gradient)


class _Sylvester(torch.autograd.Function):
    """The antisymmetric X with P X + X P = K - K', of symmetric P: linear in K and its own adjoint there."""

    generate_vmap_rule = True

    @staticmethod
    def forward(symmetric: Tensor, right: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(0.5 * (symmetric + symmetric.mT))
        sums = values[..., :, None] + values[..., None, :]
        largest = values.abs().amax(-1)[..., None, None] if values.numel() else values.new_zeros(())
        # The diagonal is zero but for rounding, which must not meet a zero eigenvalue.
        free = torch.eye(values.shape[-1], dtype=torch.bool, device=values.device)
        free = free | (sums.abs() <= 4 * values.shape[-1] * torch.finfo(values.dtype).eps * largest)
        inner = vectors.mT @ (right - right.mT) @ vectors
        inner = torch.where(free, torch.zeros_like(inner), inner) / torch.where(free, torch.ones_like(sums), sums)
        return vectors @ inner @ vectors.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        symmetric, solution = ctx.saved_tensors
        adjoint = _Sylvester.apply(symmetric, gradient)
        # Of P, through dP X + X dP + P dX + dX P = 0.
        return 0.5 * (adjoint @ solution + solution @ adjoint), adjoint
