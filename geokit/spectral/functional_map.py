"""Functional maps fitted to descriptors: every energy is quadratic, and is minimised exactly."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.gradients import Gradients

MOST_UNKNOWNS = 4096  # of a map with operators: its normal equations are dense


def fit_functional_map(
    descriptors1: Tensor,
    descriptors2: Tensor,
    basis1: Eigenbasis,
    basis2: Eigenbasis,
    *,
    laplacian_weight: float = 1e-2,
    mask: Tensor | None = None,
    product_weight: float = 0.0,
    orientation_weight: float = 0.0,
    gradients: tuple[Gradients, Gradients] | None = None,
) -> Tensor:
    """C_12 (K2, K1) that carries descriptors (N1, D) to descriptors (N2, D) and commutes with the Laplacians.

    All functions of the bases are used: pass `basis.first(30)`. Both sets of descriptors are scaled to unit norm. The
    energy is |C A - B|^2, plus `laplacian_weight` times the commutator with the resolvents of the Laplacians (Ren et
    al. 2019), plus `product_weight` times the commutators with multiplication by each descriptor (Nogneng, Ovsjanikov
    2017), plus `orientation_weight` times those with f -> normal . (grad descriptor x grad f), which tell a map from
    its mirror image (Ren et al. 2018) and need the `gradients` of both shapes. Operators have unit Frobenius norm.
    mask: (K2, K1) >= 0, penalties of the entries in place of those that the commutator gives, say
    `geokit.spectral.prior.second_moment_mask`.

    Differentiable by the descriptors. Raises `InvalidInput` for shapes that do not fit, for an orientation weight
    without gradients, and for more than 4,096 unknowns K1 K2 where operators take part.
    """
    check_tensor("descriptors1", descriptors1, (len(basis1.masses), "D"), FLOATS, finite=True)
    check_tensor("descriptors2", descriptors2, (len(basis2.masses), descriptors1.shape[1]), FLOATS, finite=True)
    if orientation_weight and gradients is None:
        raise InvalidInput(
            "orientation_weight needs the gradients of both shapes: pass vertex_gradients of both meshes"
        )
    unit1, unit2 = (
        values / (values.square() * basis.masses[:, None]).sum(0).sqrt().clamp_min(torch.finfo(values.dtype).tiny)
        for basis, values in ((basis1, descriptors1), (basis2, descriptors2))
    )
    if mask is None:
        mask = resolvent_mask(basis1.eigenvalues, basis2.eigenvalues)
    check_tensor("mask", mask, (len(basis2), len(basis1)), FLOATS, finite=True)
    penalty = laplacian_weight * mask.to(basis1.eigenvalues)
    operators = []
    if product_weight:
        pair = product_operators(unit1, basis1), product_operators(unit2, basis2)
        operators.append(_scaled(*pair, product_weight))
    if orientation_weight and gradients is not None:
        pair = (
            orientation_operators(unit1, basis1, gradients[0]),
            orientation_operators(unit2, basis2, gradients[1]),
        )
        operators.append(_scaled(*pair, orientation_weight))
    coefficients = basis1.project(unit1), basis2.project(unit2)
    if not operators:
        return solve_functional_map(*coefficients, penalty)
    stacked = torch.cat([pair[0] for pair in operators]), torch.cat([pair[1] for pair in operators])
    return solve_with_operators(*coefficients, penalty, *stacked)


def solve_functional_map(coefficients1: Tensor, coefficients2: Tensor, penalty: Tensor) -> Tensor:
    """The C (..., K2, K1) with the least |C A - B|^2 + sum_ij penalty_ij C_ij^2, each row by itself.

    A: (..., K1, D), B: (..., K2, D), penalty: (..., K2, K1) >= 0. Differentiable. The systems of all rows and of the
    whole batch are factored in one call. Where fewer descriptors than functions leave it undecided, the smallest C.
    """
    gram = coefficients1 @ coefficients1.mT
    right = coefficients2 @ coefficients1.mT
    diagonal = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    penalty = penalty + torch.finfo(gram.dtype).eps * 100 * diagonal
    factors = torch.linalg.cholesky(gram.unsqueeze(-3) + torch.diag_embed(penalty))
    return torch.cholesky_solve(right.unsqueeze(-1), factors).squeeze(-1)


def solve_with_operators(
    coefficients1: Tensor, coefficients2: Tensor, penalty: Tensor, operators1: Tensor, operators2: Tensor
) -> Tensor:
    """The C (K2, K1) with the least |C A - B|^2 + sum_ij penalty_ij C_ij^2 + sum_p |C X_p - Y_p C|^2.

    A: (K1, D), B: (K2, D), penalty: (K2, K1) >= 0, X: (P, K1, K1), Y: (P, K2, K2). The normal equations in all K1 K2
    unknowns are a sum of Kronecker products, gathered in one matrix product and solved by Cholesky. Differentiable.
    """
    size2, size1 = penalty.shape
    if size1 * size2 > MOST_UNKNOWNS:
        raise InvalidInput(
            f"a map of {size2} x {size1} with operators has {size1 * size2:,} unknowns, more than {MOST_UNKNOWNS:,}; "
            "fit a smaller one and grow it by zoomout"
        )
    on_columns = coefficients1 @ coefficients1.mT + torch.einsum("pjl,pml->jm", operators1, operators1)
    on_rows = torch.einsum("pki,pkm->im", operators2, operators2)
    crossed = (operators2.flatten(1).mT @ operators1.flatten(1)).reshape(size2, size2, size1, size1)
    system = -(crossed + crossed.permute(1, 0, 3, 2)).permute(0, 2, 1, 3)  # (i, j), (k, l)
    eye1, eye2 = (torch.eye(size, dtype=penalty.dtype, device=penalty.device) for size in (size1, size2))
    system = system + eye2[:, None, :, None] * on_columns[None, :, None, :]
    system = system + eye1[None, :, None, :] * on_rows[:, None, :, None]
    right = coefficients2 @ coefficients1.mT
    flat = system.reshape(size1 * size2, -1)
    small = torch.finfo(flat.dtype).eps * 100 * flat.diagonal().mean()
    factor = torch.linalg.cholesky(flat + torch.diag(penalty.flatten() + small))
    return torch.cholesky_solve(right.reshape(-1, 1), factor).reshape(size2, size1)


def product_operators(functions: Tensor, basis: Eigenbasis) -> Tensor:
    """(P, K, K) multiplications by functions (N, P) in the basis: Phi^T M diag(f) Phi."""
    phi = basis.eigenvectors
    weighted = (functions * basis.masses[:, None]).mT
    return torch.stack([phi.mT @ (phi * weights[:, None]) for weights in weighted])


def orientation_operators(functions: Tensor, basis: Eigenbasis, gradients: Gradients) -> Tensor:
    """(P, K, K) the operators g -> normal . (grad f x grad g) of functions (N, P) in the basis."""
    phi = basis.eigenvectors
    along_x, along_y = gradients.x @ phi, gradients.y @ phi
    slopes = gradients(functions) * basis.masses[:, None, None]
    return torch.stack([phi.mT @ (x[:, None] * along_y - y[:, None] * along_x) for x, y in slopes.permute(1, 2, 0)])


def _scaled(operators1: Tensor, operators2: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Both (P, K, K) times the root of the weight, each pair over its mean Frobenius norm."""
    squares = (operators1.square().sum((1, 2)) + operators2.square().sum((1, 2))) / 2
    factor = (weight / squares.clamp_min(torch.finfo(squares.dtype).tiny)).sqrt()[:, None, None]
    return operators1 * factor, operators2 * factor


def resolvent_mask(eigenvalues1: Tensor, eigenvalues2: Tensor, gamma: float = 0.5) -> Tensor:
    """(..., K2, K1) squared differences of the resolvents of both Laplacians (Ren et al. 2019, equation 5)."""
    scale = torch.maximum(eigenvalues1.amax(-1, keepdim=True), eigenvalues2.amax(-1, keepdim=True))
    power1, power2 = ((values / scale).clamp(min=0) ** gamma for values in (eigenvalues1, eigenvalues2))
    real1, real2 = (power / (1 + power.square()) for power in (power1, power2))
    imaginary1, imaginary2 = (1 / (1 + power.square()) for power in (power1, power2))
    return (real2.unsqueeze(-1) - real1.unsqueeze(-2)).square() + (
        imaginary2.unsqueeze(-1) - imaginary1.unsqueeze(-2)
    ).square()


def slanted_mask(size2: int, size1: int, slope: float = 1.0, width: float = 0.03) -> Tensor:
    """(K2, K1) float64 in [0, 1): how far each entry lies from the diagonal C_ij with i = slope j.

    slope: the part of the area of shape 2 that has a counterpart where only shape 1 is partial, above 1 the other way
    round (Rodola et al. 2017, section 4.2): eigenvalues of a part grow in inverse proportion to its area. width:
    per index, how fast the mask opens towards high indices.
    """
    i, j = torch.arange(size2, dtype=torch.float64)[:, None], torch.arange(size1, dtype=torch.float64)[None]
    distance = (i - slope * j).abs() / (1 + slope**2) ** 0.5
    return 1 - torch.exp(-width * (i.square() + j.square()).sqrt()) * torch.exp(-distance / 2)
