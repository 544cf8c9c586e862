"""Interpolation in grids of several resolutions, point by point and site by site, with Python's integers."""

import math
from itertools import product

import torch
from torch import Tensor

PRIMES = (1, 2654435761, 805459861)


def weights(t: float, basis: str) -> list[float]:
    """Of the sites along an axis, at t in [0, 1] of a cell."""
    if basis == "linear":
        return [1 - t, t]
    if basis == "smoothstep":
        return [1 - (3 * t**2 - 2 * t**3), 3 * t**2 - 2 * t**3]
    return [(1 - t) ** 2 / 2, (1 + 2 * t - 2 * t**2) / 2, t**2 / 2]


def row_of(site: tuple[int, ...], cells: tuple[int, ...], rows: int, basis: str, shift: int) -> int:
    """The row of a site in its level's own table."""
    along = [n + (2 if basis == "spline" else 1) for n in cells]
    if math.prod(along) > rows:
        key = 0
        for at, prime in zip(site, PRIMES):
            key ^= (at * prime) % 2**32
    else:
        key = sum(at * math.prod(along[:k]) for k, at in enumerate(site))
    return (key + shift) % 2**32 % rows


def grid_encode(x: Tensor, table: Tensor, cells: list, rows: list[int], basis: str, shift: int = 0) -> Tensor:
    """Features (N, L F) of x (N, d) from table (E, F)."""
    features = []
    for point in x.tolist():
        first, found = 0, []
        for level_cells, level_rows in zip(cells, rows):
            corner = [min(max(math.floor(p * n), 0), n - 1) for p, n in zip(point, level_cells)]
            axes = [weights(p * n - c, basis) for p, n, c in zip(point, level_cells, corner)]
            total = torch.zeros(table.shape[1], dtype=table.dtype)
            for taps in product(range(len(axes[0])), repeat=len(point)):
                site = tuple(c + tap for c, tap in zip(corner, taps))
                weight = math.prod(axis[tap] for axis, tap in zip(axes, taps))
                total = total + weight * table[first + row_of(site, level_cells, level_rows, basis, shift)]
            found.append(total)
            first += level_rows
        features.append(torch.cat(found))
    return torch.stack(features) if features else table.new_zeros(0, len(cells) * table.shape[1])
