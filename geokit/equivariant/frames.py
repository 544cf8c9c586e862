"""Frames of reference taken from the data: axes that turn with it.

The principal axes of a cloud are fixed up to their signs (and are not fixed at all where two spreads are equal).
Networks whose work is the same for either sign, as those on an orientation grid with mirror symmetry, are exactly
equivariant on them; others must average over the signs (`frame_averaging`).
"""

import torch
from torch import Tensor

LEAST_GAP = 1e-5


def principal_frames(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Axes (B, n, n), the columns of orthogonal matrices, by ascending spread, and gaps (B,) of second moments (B, n,
    n).

    A gap is the smallest difference of two eigenvalues, divided by their sum: below some 1e-3 the axes turn by more
    than rounding errors should turn them, at 0 they are arbitrary. The gradient of the axes grows like 1 / gap; where
    the gap is below `LEAST_GAP` they pass none.
    """
    if moments.requires_grad:
        known = gaps_of(torch.linalg.eigvalsh(moments.detach())) > LEAST_GAP
        moments = torch.where(known[:, None, None], moments, moments.detach())
    values, axes = torch.linalg.eigh(moments)
    return axes, gaps_of(values)


def gaps_of(values: Tensor) -> Tensor:
    """The smallest difference of ascending eigenvalues (..., n), divided by their sum."""
    return values.diff(dim=-1).amin(-1) / values.sum(-1).clamp(min=torch.finfo(values.dtype).tiny)


def second_moments(vectors: Tensor, owners: Tensor, count: int) -> Tensor:
    """sum v v^T of the vectors (N, n) of each of `count` owners (N,), (count, n, n), divided by their sum of
    squares."""
    products = vectors[:, :, None] * vectors[:, None, :]
    total = products.new_zeros(count, *products.shape[1:]).index_add(0, owners, products)
    size = total.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    return total / size.clamp(min=torch.finfo(total.dtype).tiny)


def weighted_center(points: Tensor, weights: Tensor) -> Tensor:
    """The mean (B, n) of clouds (B, N, n) under weights (B, N) that are not negative; 0 where all weights are."""
    total = weights.sum(1, keepdim=True)
    return (weights[:, :, None] * points).sum(1) / torch.where(total > 0, total, 1.0)


def weighted_moments(points: Tensor, weights: Tensor) -> Tensor:
    """sum w x x^T of clouds (B, N, n) under weights (B, N), (B, n, n)."""
    return (weights[:, :, None] * points).mT @ points


def centers(positions: Tensor, batch: Tensor, clouds: int) -> Tensor:
    """The mean position (clouds, n) of each cloud's nodes; `batch` (N,) numbers the clouds."""
    total = positions.new_zeros(clouds, positions.shape[1]).index_add(0, batch, positions)
    return total / node_counts(batch, clouds, positions)[:, None]


def node_counts(batch: Tensor, clouds: int, like: Tensor) -> Tensor:
    """(clouds,) how many nodes each cloud has, at least 1, in the dtype of `like`."""
    return like.new_zeros(clouds).index_add(0, batch, like.new_ones(len(batch))).clamp(min=1)
