"""Interpolation in grids of several resolutions in plain torch, for any device: values, gradients and their gradients.

Arrays run over the points fastest, as in the native layer: x (d, N), features (L F, N); the table is (E, F). A layout
is given as its `GridLayout.numbers`, and a basis by its name.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import product
from operator import mul

import torch
from torch import Tensor

from geokit.backend.grid_layout import axis_weights, lattice_rows, parts


def encode(x: Tensor, table: Tensor, levels: list[int], basis: str) -> Tensor:
    """The features: sums over the sites around each point of their weight times their row."""
    found = []
    for places in _levels(x, levels, basis):
        found.append(sum(weight[()] * table[rows].T for rows, weight in places))
    return torch.cat(found)  # type: ignore[arg-type]


def backward(
    x: Tensor, table: Tensor, bar: Tensor, levels: list[int], basis: str, by_x: bool, by_table: bool
) -> tuple[Tensor, Tensor]:
    """The gradients by the points and by the table, each empty unless asked for."""
    x_bar, table_bar = x.new_zeros(x.shape if by_x else 0), table.new_zeros(table.shape if by_table else 0)
    bars = bar.split(table.shape[1])
    for level, places in enumerate(_levels(x, levels, basis)):
        for rows, weight in places:
            if by_table:
                table_bar = table_bar.index_add(0, rows, (weight[()] * bars[level]).T)
            if by_x:
                x_bar = x_bar + _slopes(weight, len(x)) * (table[rows].T * bars[level]).sum(0)
    return x_bar, table_bar


def second(
    x: Tensor,
    table: Tensor,
    bar: Tensor,
    x_probe: Tensor | None,
    table_probe: Tensor | None,
    levels: list[int],
    basis: str,
    by_x: bool,
    by_table: bool,
    by_bar: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of sum(x_probe x_bar) + sum(table_probe table_bar) by x, table and bar, empty unless asked for."""
    x_bar, table_bar = x.new_zeros(x.shape if by_x else 0), table.new_zeros(table.shape if by_table else 0)
    bars, out = bar.split(table.shape[1]), []
    for level, places in enumerate(_levels(x, levels, basis)):
        g, along = bars[level], bar.new_zeros(table.shape[1], x.shape[1])
        for rows, weight in places:
            slopes = _slopes(weight, len(x))
            if x_probe is not None:
                slope, dot = (x_probe * slopes).sum(0), (table[rows].T * g).sum(0)
                along = along + slope * table[rows].T
                if by_table:
                    table_bar = table_bar.index_add(0, rows, (slope * g).T)
                if by_x:
                    bends = [sum(weight[k, j] * x_probe[j] for j in range(len(x))) for k in range(len(x))]
                    x_bar = x_bar + dot * torch.stack(bends)  # type: ignore[arg-type]
            if table_probe is not None:
                along = along + weight[()] * table_probe[rows].T
                if by_x:
                    x_bar = x_bar + slopes * (table_probe[rows].T * g).sum(0)
        out.append(along)
    return x_bar, table_bar, torch.cat(out) if by_bar else bar.new_empty(0)


class _Weight:
    """Of one site: its weight as [()], or its derivatives along the axes named."""

    def __init__(self, axes: list[list[Tensor]]) -> None:
        self.axes = axes  # by axis, by order

    def __getitem__(self, derived: tuple[int, ...]) -> Tensor:
        first, *others = (axis[derived.count(k)] for k, axis in enumerate(self.axes))
        return reduce(mul, others, first)


def _slopes(weight: _Weight, dimension: int) -> Tensor:
    return torch.stack([weight[(k,)] for k in range(dimension)])


def _levels(x: Tensor, levels: list[int], basis: str) -> Iterator[Iterator[tuple[Tensor, _Weight]]]:
    """For every level the sites around the points, one of each cell at a time: their rows and weights."""
    for first, rows, hashed, shift, cells in parts(levels, len(x)):
        yield _sites(x, first, rows, hashed, shift, cells, basis)


def _sites(
    x: Tensor, first: int, rows: int, hashed: bool, shift: int, cells: list[int], basis: str
) -> Iterator[tuple[Tensor, _Weight]]:
    corners, weights = [], []
    for k, n in enumerate(cells):
        p = x[k] * n
        corner = p.detach().nan_to_num(0.0).clamp(0, n - 1).floor()
        corners.append(corner.long())
        weights.append(axis_weights(p - corner, n, basis))
    for taps in product(range(len(weights[0][0])), repeat=len(cells)):
        site = [corner + tap for corner, tap in zip(corners, taps)]
        row = first + lattice_rows(site, cells, rows, hashed, shift, basis)
        yield row, _Weight([[order[tap] for order in w] for w, tap in zip(weights, taps)])
