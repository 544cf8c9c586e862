"""Functions of symmetric matrices: exp, log, sqrt, phi1(x) = (e^x - 1) / x and 1 / phi1.

2x2 in closed form. Larger ones by the symmetric eigendecomposition, whose own gradient is infinite where two
eigenvalues are equal; the function's is not: by the formula of Daleckii and Krein (1965; Higham, "Functions of
Matrices", 2008, theorem 3.11), in the eigenbasis every entry of the derivative is multiplied by the divided difference
(f(l_i) - f(l_j)) / (l_i - l_j), which tends to f'(l_i). The divided differences here lose no digits.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from geokit.equivariant.lie import quotients, two_by_two
from geokit.equivariant.lie.small_eigen import symmetric_eigen

Function = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]


def _reciprocal_phi1_difference(a: Tensor, b: Tensor) -> Tensor:
    return -quotients.phi1_difference(a, b) / (quotients.phi1(a) * quotients.phi1(b))


# Each with its divided difference.
FUNCTIONS: dict[str, Function] = {
    "exp": (torch.exp, quotients.exp_difference),
    "log": (torch.log, quotients.log_difference),
    "sqrt": (torch.sqrt, lambda a, b: 1 / (a.sqrt() + b.sqrt())),
    "rsqrt": (torch.rsqrt, lambda a, b: -1 / (a * b.sqrt() + b * a.sqrt())),
    "phi1": (quotients.phi1, quotients.phi1_difference),
    "reciprocal_phi1": (lambda a: 1 / quotients.phi1(a), _reciprocal_phi1_difference),
}


def symmetric_functions(matrices: Tensor, *names: str) -> tuple[Tensor, ...]:
    """f(S) (..., n, n), one for each name of `FUNCTIONS`, of symmetric matrices S (..., n, n), from one decomposition.

    Only the symmetric part is read. Gradients, of first order, are finite at equal eigenvalues. log, sqrt and rsqrt
    are not a number where an eigenvalue is negative, and all of them where a matrix is not finite. Works under
    `torch.func.vmap`.
    """
    if matrices.shape[-1] == 1:
        return tuple(FUNCTIONS[name][0](matrices) for name in names)
    if matrices.shape[-1] == 2:
        return tuple(_closed(name, *two_by_two.symmetric_parts(matrices)) for name in names)
    return _SymmetricFunctions.apply(matrices, names)[: len(names)]


def symmetric_exp(matrices: Tensor) -> Tensor:
    """(..., n, n) the exponential of symmetric matrices (..., n, n): positive definite."""
    return symmetric_functions(matrices, "exp")[0]


def symmetric_log(matrices: Tensor) -> Tensor:
    """(..., n, n) the symmetric logarithm of positive-definite matrices (..., n, n)."""
    return symmetric_functions(matrices, "log")[0]


def symmetric_sqrt(matrices: Tensor) -> Tensor:
    """(..., n, n) the positive-definite root of positive-definite matrices (..., n, n)."""
    return symmetric_functions(matrices, "sqrt")[0]


def _closed(name: str, mean: Tensor, half: Tensor, off: Tensor, square: Tensor) -> Tensor:
    if name == "exp":
        return two_by_two.symmetric_matrix(*quotients.exp_pair(mean, square), half, off)
    # Of what is even in r the derivative by r vanishes at zero: no gradient is lost where the root's is set to zero.
    apart = square > 0
    root = torch.where(apart, torch.where(apart, square, torch.ones_like(square)).sqrt(), torch.zeros_like(square))
    value, difference = FUNCTIONS[name]
    large, small = mean + root, mean - root
    return two_by_two.symmetric_matrix(0.5 * (value(large) + value(small)), difference(large, small), half, off)


class _SymmetricFunctions(torch.autograd.Function):
    @staticmethod
    def forward(matrices: Tensor, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        values, vectors = symmetric_eigen(matrices)
        results = tuple((vectors * FUNCTIONS[name][0](values)[..., None, :]) @ vectors.mT for name in names)
        return (*results, values, vectors)

    @staticmethod
    def vmap(
        info: Any, dims: tuple[int, Any], matrices: Tensor, names: tuple[str, ...]
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _SymmetricFunctions.apply(matrices.movedim(dims[0], 0), names), (0,) * (len(names) + 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.names = inputs[1]
        ctx.mark_non_differentiable(*output[-2:])
        ctx.save_for_backward(*output[-2:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        row, column = values[..., :, None], values[..., None, :]
        total = torch.zeros_like(vectors)
        for name, gradient in zip(ctx.names, gradients):
            inner = vectors.mT @ gradient @ vectors
            total = total + FUNCTIONS[name][1](row, column) * (inner + inner.mT)
        return 0.5 * (vectors @ total @ vectors.mT), None
