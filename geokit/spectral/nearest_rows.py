"""The nearest row of one matrix for every row of another: the search behind every conversion of functional maps."""

import torch
from torch import Tensor

BLOCK = 1 << 19  # entries of a block of scores that stay in the cache


def nearest_rows(queries: Tensor, rows: Tensor) -> Tensor:
    """(Q,) int64: the row of `rows` (N, K) nearest to each of `queries` (Q, K), of the lowest index among equals.

    Blocks of queries are multiplied with all rows in float32: the largest of q.r - |r|^2 / 2 is the nearest.
    """
    rows, queries = rows.detach().float().contiguous(), queries.detach().float()
    half_squares = rows.square().sum(1) / -2
    block = max(BLOCK // max(len(rows), 1), 16)
    found = [first_largest(torch.addmm(half_squares, part, rows.T)) for part in queries.split(block)]
    return torch.cat(found) if found else queries.new_empty(0, dtype=torch.int64)


def first_largest(scores: Tensor) -> Tensor:
    """(..., N) to (...), int64: where the largest of each row is, the first of equal ones."""
    if scores.device.type == "cpu":  # NumPy compares many at once, torch one after another
        return torch.from_numpy(scores.detach().numpy().argmax(-1))
    return scores.argmax(-1)
