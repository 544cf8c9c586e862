"""Functional maps fitted to descriptors."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.spectral.eigen import Eigenbasis


def fit_functional_map(
    descriptors1: Tensor,
    descriptors2: Tensor,
    basis1: Eigenbasis,
    basis2: Eigenbasis,
    *,
    laplacian_weight: float = 1e-2,
) -> Tensor:
    """C_12 (K2, K1) that carries descriptors (N1, D) to descriptors (N2, D) and commutes with the Laplacians.

    All functions of the bases are used: pass `basis.first(30)`. Both sets of descriptors are scaled to unit norm.
    The commutativity is that of the resolvents (Ren et al. 2019).
    """
    check_tensor("descriptors1", descriptors1, (len(basis1.masses), "D"), FLOATS, finite=True)
    check_tensor("descriptors2", descriptors2, (len(basis2.masses), descriptors1.shape[1]), FLOATS, finite=True)
    coefficients1, coefficients2 = (
        basis.project(values / (values.square() * basis.masses[:, None]).sum(0).sqrt())
        for basis, values in ((basis1, descriptors1), (basis2, descriptors2))
    )
    mask = resolvent_mask(basis1.eigenvalues, basis2.eigenvalues)
    return solve_functional_map(coefficients1, coefficients2, laplacian_weight * mask)


def solve_functional_map(coefficients1: Tensor, coefficients2: Tensor, penalty: Tensor) -> Tensor:
    """The C (..., K2, K1) with the least |C A - B|^2 + sum_ij penalty_ij C_ij^2, each row by itself.

    A: (..., K1, D), B: (..., K2, D), penalty: (..., K2, K1) >= 0. Differentiable.
    """
    gram = coefficients1 @ coefficients1.mT
    right = coefficients2 @ coefficients1.mT
    factors = torch.linalg.cholesky(gram.unsqueeze(-3) + torch.diag_embed(penalty))
    return torch.cholesky_solve(right.unsqueeze(-1), factors).squeeze(-1)


def resolvent_mask(eigenvalues1: Tensor, eigenvalues2: Tensor, gamma: float = 0.5) -> Tensor:
    """(..., K2, K1) squared differences of the resolvents of both Laplacians (Ren et al. 2019, equation 5)."""
    scale = torch.maximum(eigenvalues1.amax(-1, keepdim=True), eigenvalues2.amax(-1, keepdim=True))
    power1, power2 = ((values / scale).clamp(min=0) ** gamma for values in (eigenvalues1, eigenvalues2))
    real1, real2 = (power / (1 + power.square()) for power in (power1, power2))
    imaginary1, imaginary2 = (1 / (1 + power.square()) for power in (power1, power2))
    return (real2.unsqueeze(-1) - real1.unsqueeze(-2)).square() + (
        imaginary2.unsqueeze(-1) - imaginary1.unsqueeze(-2)
    ).square()
