"""Eigen- and singular value decompositions of very many 3x3 matrices.

LAPACK takes one matrix at a time, microseconds each. Jacobi's rotations are the same few operations for all, so that
large batches go through them together; five sweeps settle 3x3 matrices in float64 (four in float32). They are also
the more accurate way: small singular values keep their digits (Demmel and Veselic, "Jacobi's method is more accurate
than QR", 1992). Nothing here has a gradient: see `symmetric` and `polar`.
"""

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

_PAIRS = ((0, 1), (0, 2), (1, 2))
_SWEEPS = {torch.float32: 4, torch.float64: 5}
# Off-diagonal entries of this size, the largest entry being one, change nothing; denormal numbers are slow.
_NEGLIGIBLE = {torch.float32: 1e-18, torch.float64: 1e-100}
_MANY = 512  # matrices, from which on the rotations are faster than LAPACK
_CHUNK = 16384  # matrices whose entries stay in the cache


def symmetric_eigen(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (..., n), in no order, and eigenvectors, as columns (..., n, n), of symmetric ones (..., n, n).
    Where a matrix is not finite, its eigenvalues are not a number."""
    symmetric = 0.5 * (matrices + matrices.mT)
    if not _many(matrices):
        finite = _finite(symmetric)
        values, vectors = torch.linalg.eigh(torch.where(finite, symmetric, 0.0))
        return torch.where(finite[..., 0], values, torch.nan), vectors
    parts = [_rotate_symmetric(chunk) for chunk in _chunks(symmetric)]
    values, vectors = (torch.cat(part, dim=-1) for part in zip(*parts))
    return values.T.reshape(matrices.shape[:-1]), vectors.permute(2, 0, 1).reshape(matrices.shape)


def singular_values(matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U (..., n, n), s (..., n), in no order, and V' (..., n, n) with matrices (..., n, n) = U diag(s) V'.
    Where a matrix is not finite, s is not a number."""
    if not _many(matrices):
        finite = _finite(matrices)
        u, s, vh = torch.linalg.svd(torch.where(finite, matrices, 0.0))
        return u, torch.where(finite[..., 0], s, torch.nan), vh
    parts = [_rotate_rows(chunk) for chunk in _chunks(matrices)]
    u, s, vh = (torch.cat(part, dim=-1) for part in zip(*parts))
    u, vh = (part.permute(2, 0, 1).reshape(matrices.shape) for part in (u, vh))
    return u, s.T.reshape(matrices.shape[:-1]), vh


def _finite(matrices: Tensor) -> Tensor:
    """(..., 1, 1) which matrices LAPACK takes: of one that is not finite it makes an error for all of them."""
    return matrices.isfinite().all(-1).all(-1)[..., None, None]


def _many(matrices: Tensor) -> bool:
    return matrices.shape[-1] == 3 and matrices.numel() >= 9 * _MANY


def _chunks(matrices: Tensor) -> tuple[Tensor, ...]:
    """(3, 3, count) each: the same entry of all matrices stands together."""
    entries = matrices.detach().flatten(0, -3).permute(1, 2, 0)
    whole = matrices.is_cuda or torch.compiler.is_compiling()
    return (entries.contiguous(),) if whole else tuple(part.contiguous() for part in entries.split(_CHUNK, dim=-1))


def _turn(difference: Tensor, twice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """tan, cos and sin of the angle, at most 45 degrees, that makes a pair orthogonal."""
    length = torch.addcmul(difference * difference, twice, twice).sqrt_().add_(torch.finfo(twice.dtype).tiny)
    tan = twice / (difference + torch.copysign(length, difference))
    cos = torch.addcmul(torch.ones_like(tan), tan, tan).rsqrt_()
    return tan, cos, tan * cos


def _apply(rows: dict[int, Tensor], p: int, q: int, cos: Tensor, sin: Tensor) -> None:
    """Turn rows p and q into cos p - sin q and sin p + cos q."""
    first = torch.addcmul(cos * rows[p], sin, rows[q], value=-1)
    rows[p], rows[q] = first, torch.addcmul(cos * rows[q], sin, rows[p])


def _identity_rows(entries: Tensor) -> dict[int, Tensor]:
    one = torch.eye(3, dtype=entries.dtype, device=entries.device)
    return {i: one[i][:, None].expand(entries.shape[1:]) for i in range(3)}


def _rotate_symmetric(entries: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (3, count) and eigenvectors (3, 3, count), columns second."""
    size = entries.abs().amax((0, 1)).clamp_min(torch.finfo(entries.dtype).tiny)
    entries = entries / size
    diagonal = [entries[i, i] for i in range(3)]
    # By the third index: 3 - i - j of the pair (i, j).
    off = {2: entries[0, 1], 1: entries[0, 2], 0: entries[1, 2]}
    vectors = _identity_rows(entries)
    least = _NEGLIGIBLE[entries.dtype]
    for _ in range(_SWEEPS[entries.dtype]):
        for p, q in _PAIRS:
            other = 3 - p - q
            pivot = hardshrink(off[other], least)
            tan, cos, sin = _turn(diagonal[q] - diagonal[p], 2 * pivot)
            change = tan * pivot
            diagonal[p], diagonal[q] = diagonal[p] - change, diagonal[q] + change
            # Rows p and q of the third column.
            column = {p: off[q], q: off[p]}
            _apply(column, p, q, cos, sin)
            off[q], off[p], off[other] = column[p], column[q], torch.zeros_like(pivot)
            _apply(vectors, p, q, cos, sin)
    return torch.stack(diagonal) * size, torch.stack([vectors[i] for i in range(3)], dim=1)


def _rotate_rows(entries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U (3, 3, count), s (3, count) and V' (3, 3, count): rotations from the left make the rows orthogonal."""
    size = entries.abs().amax((0, 1)).clamp_min(torch.finfo(entries.dtype).tiny)
    entries = entries / size
    rows, turned = {i: entries[i] for i in range(3)}, _identity_rows(entries)
    least = _NEGLIGIBLE[entries.dtype]
    for _ in range(_SWEEPS[entries.dtype]):
        for p, q in _PAIRS:
            first, second = rows[p], rows[q]
            # |q|^2 - |p|^2 as a product of sum and difference, which does not cancel.
            difference = ((second - first) * (second + first)).sum(0)
            _, cos, sin = _turn(difference, 2 * hardshrink((first * second).sum(0), least))
            _apply(rows, p, q, cos, sin)
            _apply(turned, p, q, cos, sin)
    scaled = torch.stack([rows[i] for i in range(3)])
    lengths = scaled.square().sum(1).sqrt()
    return torch.stack([turned[i] for i in range(3)], dim=1), lengths * size, scaled / lengths[:, None]
