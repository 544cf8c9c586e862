"""Sparse lattices of quadratic B-splines: which cells there are, and the values of a function that is a sum of them."""

import torch
from torch import Tensor

from geokit.backend.spline_ops import around, cells_of, keys_of, nodes_of

_CHUNK = 1 << 17  # cells in memory at once
REFINED = (0.75, 0.25)  # of a spline's parent in the lattice of twice the spacing and of the next parent
FIRST = ((1, 0, 0), (0, 1, 0), (0, 0, 1))  # the orders of the first derivatives


def sorted_by_cell(places: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points (P, 3) in units of cells, sorted: order (P,), keys (C,) of their cells, offsets (C + 1,), and places in
    the sorted order from the middle of their cells (P, 3)."""
    cells = places.floor()
    keys = keys_of(cells.long())
    keys, order = keys.sort(stable=True)
    own, counts = torch.unique_consecutive(keys, return_counts=True)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return order, own, offsets, (places - cells - 0.5)[order]


def find(keys: Tensor, wanted: Tensor) -> Tensor:
    """Where `wanted` (any shape) are among ascending keys (N,), -1 where they are not."""
    at = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return torch.where(keys[at] == wanted, at, -1)


def with_cells(keys: Tensor, more: Tensor) -> Tensor:
    """The union of two sets of keys, ascending."""
    return torch.unique(torch.cat([keys, more]))


def prolonged(keys: Tensor, coefficients: Tensor, finer: Tensor) -> Tensor:
    """The coefficients (M,) at keys `finer` (M,), of half the spacing, of a function with coefficients (N,) at `keys`.

    Exact: a quadratic B-spline is a sum of those of half its width, with the weights 1, 3, 3, 1 over 4.
    """
    out = coefficients.new_zeros(len(finer))
    for wanted, sums in zip(finer.split(_CHUNK), out.split(_CHUNK)):
        cells = cells_of(wanted)
        nodes, side = nodes_of(around(keys, keys_of(cells >> 1))), (cells & 1) * 2 - 1
        for corner in range(8):
            pick = side.new_tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1])
            weight = REFINED[corner & 1] * REFINED[corner >> 1 & 1] * REFINED[corner >> 2 & 1]
            number = ((side * pick + 1) * side.new_tensor([9, 3, 1])).sum(1, keepdim=True)
            at = nodes.gather(1, number)[:, 0]
            sums += weight * torch.where(at >= 0, coefficients[at], 0)
    return out


def spline_weights(t: Tensor, order: int) -> Tensor:
    """(..., 3) the derivatives of that order, 0 to 2, of the three B-splines at t (...) from the middle of a cell."""
    if order == 0:
        return torch.stack([(0.5 - t).square() / 2, 0.75 - t.square(), (0.5 + t).square() / 2], dim=-1)
    if order == 1:
        return torch.stack([t - 0.5, -2 * t, t + 0.5], dim=-1)
    return torch.tensor([1.0, -2.0, 1.0], dtype=t.dtype, device=t.device).expand(*t.shape, 3)


def spline_sums(coefficients: Tensor, t: Tensor, orders: tuple[int, int, int]) -> Tensor:
    """(P,) the derivative of orders along the axes of the sums of coefficients (P, 27) at t (P, 3), in cells."""
    x, y, z = (spline_weights(t[:, axis], order) for axis, order in enumerate(orders))
    by_z = (coefficients.reshape(-1, 3, 3, 3) * z[:, None, None]).sum(3)
    return ((by_z * y[:, None]).sum(2) * x).sum(1)
