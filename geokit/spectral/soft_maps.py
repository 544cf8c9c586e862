"""Soft maps between vertices: probabilities instead of one partner each, with gradients."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput


def soft_map(rows2: Tensor, rows1: Tensor, temperature: float) -> Tensor:
    """(N2, N1) each row a probability: softmax of -|rows2[i] - rows1[j]|^2 / temperature.

    rows2: (N2, K), rows1: (N1, K), as of `conversions.embeddings`. `soft_map(...) @ f` carries a function of shape 1 to
    shape 2. As the temperature falls it becomes `nearest_rows`. Differentiable.
    """
    return _scores(rows2, rows1, temperature).softmax(1)


def sinkhorn_map(
    rows2: Tensor,
    rows1: Tensor,
    temperature: float,
    masses2: Tensor | None = None,
    masses1: Tensor | None = None,
    iterations: int = 50,
) -> Tensor:
    """(N2, N1) a transport plan whose rows sum to masses2 (N2,) and whose columns to masses1 (N1,).

    Masses, > 0, are scaled to sum 1; without them all vertices have the same. Entropic optimal transport of the squared
    distances (Cuturi 2013) by alternate scalings of logarithms, which do not overflow; the columns come out exact, the
    rows as the iterations converge. Differentiable through all iterations.
    """
    scores = _scores(rows2, rows1, temperature)
    logs = []
    for name, masses, count in (("masses2", masses2, len(rows2)), ("masses1", masses1, len(rows1))):
        masses = scores.new_ones(count) if masses is None else masses
        check_tensor(name, masses, (count,), FLOATS, finite=True)
        if not bool((masses > 0).all()):
            raise InvalidInput(f"{name} must be positive, but the least is {float(masses.min()):g}")
        logs.append((masses / masses.sum()).log())
    column = torch.zeros_like(logs[1])
    for _ in range(iterations):
        row = logs[0] - (scores + column).logsumexp(1)
        column = logs[1] - (scores + row[:, None]).logsumexp(0)
    return (scores + row[:, None] + column).exp()


def _scores(rows2: Tensor, rows1: Tensor, temperature: float) -> Tensor:
    check_tensor("rows2", rows2, ("N2", "K"), FLOATS)
    check_tensor("rows1", rows1, ("N1", rows2.shape[1]), rows2.dtype)
    if not temperature > 0:
        raise InvalidInput(f"temperature must be positive, got {temperature:g}")
    squares = rows2.square().sum(1)[:, None] + rows1.square().sum(1) - 2 * rows2 @ rows1.T
    return squares / -temperature
