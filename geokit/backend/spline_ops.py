"""Surfaces as sparse lattices of quadratic B-splines: sets of cells, the fit to points, marching cubes, smoothing.

Lattices are sorted keys of cells (N,) int64, see cuda_ext/fields/lattice.h; lengths are in cells. These are
parts of `geokit.fields.surface`, which checks its arguments.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geokit.backend.native import _native, custom_op, for_all_devices, plain

BIAS = 1 << 19  # added to the place of a cell along an axis
_MASK = (1 << 20) - 1


def keys_of(cells: Tensor) -> Tensor:
    """(N,) int64 keys of cells (N, 3) int64, each place in [-2^19, 2^19)."""
    i, j, k = (cells + BIAS).unbind(-1)
    return (i << 40) | (j << 20) | k


def cells_of(keys: Tensor) -> Tensor:
    """(N, 3) int64 places of the cells with these keys (N,)."""
    return torch.stack([keys >> 40, (keys >> 20) & _MASK, keys & _MASK], dim=-1) - BIAS


@custom_op("geokit::lattice_dilate")
def dilate(keys: Tensor) -> Tensor:
    """The cells of a lattice and the 26 around each of them, ascending."""
    (grown,) = plain(keys)
    for axis in (2, 1, 0):
        out = grown.new_empty(3 * len(grown))
        grown = out[: _native.lattice_grow(grown, axis, out)]
    return grown.clone()


@dilate.register_fake
def _(keys: Tensor) -> Tensor:
    return keys.new_empty(torch.library.get_ctx().new_dynamic_size())


def _around_by_formula(keys: Tensor, wanted: Tensor) -> Tensor:
    sides = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2)).to(keys.device)
    lowest = wanted[:, None] + (sides[:, 0] << 40) + (sides[:, 1] << 20) - 1
    first = torch.searchsorted(keys, lowest)
    found = first << 3
    for step in range(3):
        at = torch.searchsorted(keys, lowest + step)
        there = keys[at.clamp_max(len(keys) - 1)] == lowest + step if len(keys) else torch.zeros_like(at)
        found |= there.long() << step
    return found.int()


@custom_op("geokit::lattice_around", cuda=_around_by_formula)
def around(keys: Tensor, wanted: Tensor) -> Tensor:
    """(Q, 9) int32 columns of three among the keys (N,) around every wanted cell (Q,), see cuda_ext/fields/lattice.h.

    A column says with its three lowest bits which of the cells are there, and above them where the first of those is.
    """
    out = keys.new_empty(len(wanted), 9, dtype=torch.int32)
    _native.lattice_around(*plain(keys, wanted), out)
    return out


@around.register_fake
def _(keys: Tensor, wanted: Tensor) -> Tensor:
    return keys.new_empty(wanted.shape[0], 9, dtype=torch.int32)


def nodes_of(columns: Tensor) -> Tensor:
    """(Q, 27) int64 where the cells of these columns (Q, 9) are, -1 where they are not."""
    columns = columns[:, :, None].long()
    there = columns >> torch.arange(3, device=columns.device) & 1
    return torch.where(there > 0, (columns >> 3) + there.cumsum(2) - there, -1).reshape(-1, 27)


@dataclass(frozen=True)
class FitPoints:
    """Points sorted by cell, and the nodes around them, as cuda_ext/fields/spline_fit.h takes them.

    around: (N, 9), centers: (C,), cell_of: (N,), all int32. offsets: (C + 1,) int64. places, normals: (P, 3).
    weights: (P,).
    """

    around: Tensor
    centers: Tensor
    cell_of: Tensor
    offsets: Tensor
    places: Tensor
    normals: Tensor
    weights: Tensor

    def arrays(self) -> list[Tensor]:
        """All of them but the normals."""
        return [self.around, self.centers, self.cell_of, self.offsets, self.places, self.weights]


@custom_op("geokit::spline_gradient")
def _gradient(x: Tensor, fit: list[Tensor], normals: Tensor | None, value_weight: float, bend_weight: float) -> Tensor:
    around, centers, cell_of, offsets, places, weights = plain(*fit)
    (x,) = plain(x)
    out, forces, bends = torch.empty_like(x), x.new_empty(len(centers), 27), x.new_empty(len(x), 6)
    given = None if normals is None else normals.detach().contiguous()
    parts = around, centers, cell_of, offsets, places, given, weights, float(value_weight), float(bend_weight)
    _native.spline_fit_gradient(*parts, x, forces, bends, out)
    return out


@_gradient.register_fake
def _(x: Tensor, fit: list[Tensor], normals: Tensor | None, value_weight: float, bend_weight: float) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, fit, _, ctx.value_weight, ctx.bend_weight = inputs
    ctx.save_for_backward(*fit)


def _backward(ctx: Any, bar: Tensor) -> tuple[Any, ...]:
    """The form is symmetric: the gradient by x is what it makes of `bar`, without normals."""
    return (
        _gradient(bar, list(ctx.saved_tensors), None, ctx.value_weight, ctx.bend_weight),
        [None] * 6,
        None,
        None,
        None,
    )


_gradient.register_autograd(_backward, setup_context=_setup)


def fit_gradient(x: Tensor, fit: FitPoints, value_weight: float, bend_weight: float, wanted: bool = True) -> Tensor:
    """(N,) half the gradient by the coefficients x (N,) of the form of cuda_ext/fields/spline_fit.h.

    Without `wanted` normals the form is homogeneous: what its matrix makes of x. Differentiable by x.
    """
    return _gradient(x, fit.arrays(), fit.normals if wanted else None, value_weight, bend_weight)


def fit_diagonal(fit: FitPoints, value_weight: float, bend_weight: float) -> Tensor:
    """(N,) the diagonal of the matrix of `fit_gradient`."""
    return _diagonal(fit.arrays(), value_weight, bend_weight)


@for_all_devices
@torch.no_grad()
def _diagonal(arrays: list[Tensor], value_weight: float, bend_weight: float) -> Tensor:
    around, centers, cell_of, offsets, places, weights = plain(*arrays)
    out, forces = places.new_empty(len(cell_of)), places.new_empty(len(centers), 27)
    parts = around, centers, cell_of, offsets, places, weights, float(value_weight), float(bend_weight)
    _native.spline_fit_diagonal(*parts, forces, out)
    return out


@for_all_devices
@torch.no_grad()
def march(around: Tensor, cells: Tensor, coefficients: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """The triangles of marching cubes through cells (C, 3) int32, each cut into parts^3 cubes: edges and shares (F, 3).

    around: (C, 9) int32 columns around each cell, all 27 nodes there. See cuda_ext/fields/march.h.
    """
    around, cells, coefficients = plain(around, cells, coefficients)
    counts = torch.empty(len(cells), dtype=torch.int32)
    _native.march_count(around, cells, coefficients, parts, counts)
    ends = counts.cumsum(0, dtype=torch.int64)
    total = int(ends[-1]) if len(ends) else 0
    edges, shares = ends.new_empty(total, 3), coefficients.new_empty(total, 3)
    _native.march_triangles(around, cells, coefficients, parts, ends - counts, edges, shares)
    return edges, shares


@for_all_devices
@torch.no_grad()
def plane_meet(
    places: Tensor, normals: Tensor, keys: Tensor, offsets: Tensor, reach: float, turn: float, pull: float
) -> tuple[Tensor, Tensor]:
    """Points (P, 3), sorted by cells of side 1, moved to where the planes around them meet, and their normals.

    keys: (C,) of the cells; offsets: (C + 1,) their points. See cuda_ext/fields/plane_meet.h.
    """
    places, normals, keys, offsets = plain(places, normals, keys, offsets)
    moved, turned = torch.empty_like(places), torch.empty_like(normals)
    _native.plane_meet(places, normals, keys, offsets, reach, turn, pull, moved, turned)
    return moved, turned
