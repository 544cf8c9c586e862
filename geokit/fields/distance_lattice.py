"""Sparse hierarchies of quadratic B-splines: which nodes there are, in bits, and their sum as one spline a level."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.backend.entropy_ops import decode_planes, encode_planes, most_values
from geokit.errors import InvalidInput
from geokit.fields.surface_lattice import find, prolonged, spline_sums

_SIDES = tuple((n >> 2 & 1, n >> 1 & 1, n & 1) for n in range(8))
_COLUMNS = 64


@dataclass(frozen=True)
class Lattice:
    """All that is summed at one spacing: keys (N,) of nodes, ascending, columns around each (N, 9) int32, coefficients
    (N,); whole (N,) bool, around which all 27 nodes are there."""

    spacing: float
    keys: Tensor
    around: Tensor
    whole: Tensor
    coefficients: Tensor

    @classmethod
    def at(cls, spacing: float, keys: Tensor, coefficients: Tensor) -> "Lattice":
        """The lattice of nodes keys (N,) ascending with coefficients (N,)."""
        around = ops.around(keys, keys)
        return cls(spacing, keys, around, (around & 7 == 7).all(1), coefficients)


def box_keys(shape: Sequence[int]) -> Tensor:
    """The nodes that the cells (0, 0, 0) to shape - 1 of the coarsest lattice need, ascending."""
    return ops.keys_of(torch.cartesian_prod(*(torch.arange(-1, int(n) + 1) for n in shape)))


def coefficients_at(keys: Sequence[Tensor], shares: Sequence[Tensor], level: int, wanted: Tensor) -> Tensor:
    """(M,) the coefficients at nodes `wanted` (M,), ascending, of the lattice `level`, whose spline is the sum of all
    up to it: shares (N,) at nodes keys (N,) of every lattice."""
    at = find(keys[level], wanted)
    own = torch.where(at >= 0, shares[level][at], 0)
    if not level:
        return own
    cells = ops.cells_of(wanted)
    parents, side = cells >> 1, (cells & 1) * 2 - 1
    all_of_them = torch.stack([ops.keys_of(parents + side * side.new_tensor(pick)) for pick in _SIDES])
    above = torch.unique(all_of_them)
    return own + prolonged(above, coefficients_at(keys, shares, level - 1, above), wanted)


def summed(spacing: float, keys: Sequence[Tensor], shares: Sequence[Tensor]) -> list[Lattice]:
    """The lattices whose splines are the whole sum wherever a node of theirs acts; `spacing` of the coarsest."""
    lattices = [Lattice.at(spacing, keys[0], shares[0])]
    for level in range(1, len(keys)):
        wanted = ops.dilate(ops.dilate(keys[level].cpu())).to(keys[level].device)
        lattices.append(Lattice.at(spacing / 2**level, wanted, coefficients_at(keys, shares, level, wanted)))
    return lattices


def lattice_sums(lattices: Sequence[Lattice], x: Tensor, kinds: Sequence[tuple[int, int, int]], order: int) -> Tensor:
    """(N, len(kinds)) derivatives of that order at x (N, 3), each from the finest lattice that covers the place."""
    left = torch.arange(len(x), device=x.device)
    places, parts = [], []
    for lattice in reversed(lattices):
        at = x[left] / lattice.spacing
        cells = at.detach().floor()
        node = find(lattice.keys, ops.keys_of(cells.long()))
        known = (node >= 0) & lattice.whole[node]
        ids = ops.nodes_of(lattice.around[node[known]])
        t, c = at[known] - cells[known] - 0.5, lattice.coefficients[ids]
        parts.append(torch.stack([spline_sums(c, t, kind) for kind in kinds], dim=1) / lattice.spacing**order)
        places.append(left[known])
        left = left[~known]
    if len(left):
        raise InvalidInput("the coarsest lattice of the field does not cover its bounds")
    back = torch.empty(len(x), dtype=torch.int64, device=x.device)
    back[torch.cat(places)] = torch.arange(len(x), device=x.device)
    return torch.cat(parts)[back]


def children(keys: Tensor) -> Tensor:
    """(8, N) the cells of half the spacing in each cell of keys (N,)."""
    cells = 2 * ops.cells_of(keys)
    return torch.stack([ops.keys_of(cells + cells.new_tensor(pick)) for pick in _SIDES])


def pack_nodes(coarse: Tensor, fine: Tensor) -> bytes:
    """Which of the places around the nodes `coarse` (N,) have nodes `fine` (M,) of half the spacing, coded."""
    places = children(ops.dilate(coarse))
    there = find(fine, places) >= 0
    if int(there.sum()) != len(fine):
        raise InvalidInput("the nodes of a lattice must be in cells of the nodes of the coarser one, or next to these")
    return encode_planes(_rows(there), _parents())


def unpack_nodes(coarse: Tensor, code: bytes) -> Tensor:
    """The `fine` nodes, ascending, that `pack_nodes` made the code of. Raises `InvalidInput` where it is too short."""
    hosts = ops.dilate(coarse)
    if 8 * len(hosts) > most_values(len(code)):
        raise InvalidInput(f"{len(code)} bytes cannot say which of {8 * len(hosts):,} nodes there are")
    places = children(hosts)
    there = decode_planes(code, _parents(), math.ceil(places.shape[1] / _COLUMNS), _COLUMNS).reshape(8, -1)
    return places[there[:, : places.shape[1]] > 0].sort().values


def _rows(there: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(there.to(torch.int32), (0, -there.shape[1] % _COLUMNS))
    return padded.reshape(8, -1, _COLUMNS).contiguous()


def _parents() -> Tensor:
    """A child of a cell is likely to be there where its neighbours in the cell are, along every axis."""
    return torch.tensor([[n - s if n & s else -1 for s in (1, 2, 4)] for n in range(8)], dtype=torch.int32)
