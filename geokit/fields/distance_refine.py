"""Which nodes the next finer lattice of a distance field gets, so that parameters are spent where they help most."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.distance_fit import LatticeFit
from geokit.fields.distance_lattice import pack_nodes
from geokit.fields.surface_lattice import find

_SLOPE = 0.1  # cells that an error of 1 in the gradient counts as, as an error of the value
_NEAR = 0.03  # cells of the coarsest lattice from the surface at which an error counts half
_UNSURE = 0.2  # of a distance: an error from which the sign is in doubt, and counts wholly, however far away
_REACHED = 0.03  # largest value at a sample below which a spline is left out
_SMALLER = 0.3  # of the weight of an error, in cells of half the size: their area is a quarter, their cost the same
_DECAY = 0.35  # by which errors shrink from one lattice to the next: measured on meshes of all kinds
DEEPEST = 9  # lattices at most
_BITS = 2.0  # that the choice of a node takes, before it is known
_LAST = 0.1  # share of what the next lattice costs: if those after it are foreseen to cost less, it is the last
_TRIES = 6


class Refinement:
    """Spends `parameters` on lattices from coarse to fine, by the errors that the fits so far leave."""

    def __init__(self, parameters: int) -> None:
        self.left, self.bits = float(parameters), _BITS

    def next(self, fit: LatticeFit, coefficients: Tensor, keys: list[Tensor]) -> Tensor | None:
        """The nodes of the lattice after the last of `keys`, to which `fit` was made, or None where nothing is left.

        Cells of that lattice are halved in the order of their errors (root mean square over samples, of values, and of
        gradients in part). The limit is such that the nodes of all finer lattices are within what is left, if errors go
        on to shrink as they do: cells above it, their eighths that are above it after that, and so on.
        """
        level = len(keys) - 1
        self.left -= len(keys[level]) + (len(pack_nodes(keys[level - 1], keys[level])) / 4 if level else 0)
        if level + 1 >= DEEPEST or self.left < 1 or not len(fit.own):
            return None
        error, cell_of = self._errors(fit, coefficients)
        fine = ops.keys_of((fit.kept.places / (fit.spacing / 2)).floor().long())
        allowed = self._allowed(fit, keys[level], fine)
        ranked = error.sort(descending=True).values
        a_cell = len(allowed) / len(error)

        def nodes(count: int) -> Tensor:
            """Those that halving the `count` worst cells asks for."""
            chosen = error >= ranked[count - 1]
            grown = ops.dilate(torch.unique(fine[chosen[cell_of]]))
            return grown[find(allowed, grown) >= 0]

        def worse(limit: float, step: int) -> float:
            return float((ranked * (_DECAY * _SMALLER) ** step > limit).sum()) * a_cell * 4**step * (1 + self.bits / 32)

        low, high = float(ranked[0]) * 1e-6, float(ranked[0])
        for _ in range(40):
            middle = math.sqrt(low * high)
            whole = sum(worse(middle, step) for step in range(DEEPEST - level - 1))
            low, high = (low, middle) if whole <= self.left else (middle, high)
        first, count = worse(high, 0), max(1, int((ranked > high).sum()))
        later = sum(worse(high, step) for step in range(1, DEEPEST - level - 1))
        if later > _LAST * first:
            found = nodes(count)
            self.bits = 8 * len(pack_nodes(keys[level], found)) / max(len(found), 1)
            if len(found) * (1 + self.bits / 32) < self.left:
                return found
        return self._most(nodes, len(ranked), keys[level])

    def _most(self, nodes: Callable[[int], Tensor], cells: int, coarse: Tensor) -> Tensor | None:
        """The nodes of as many of the worst cells as what is left allows."""
        best = None
        for _ in range(_TRIES):
            low, high = 0, cells
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (
                    (middle, high) if len(nodes(middle)) * (1 + self.bits / 32) <= self.left else (low, middle - 1)
                )
            if not low:
                break
            found = nodes(low)
            size = len(pack_nodes(coarse, found))
            fits = len(found) + math.ceil(size / 4) + 1 <= self.left
            if fits and (best is None or len(found) > len(best)):
                best = found
            bits = 8 * size / len(found)
            if fits and abs(bits - self.bits) < 0.01:
                break
            self.bits = bits + (0 if fits else 0.02)
        return best

    def _errors(self, fit: LatticeFit, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """(C,) errors of the cells with samples, and the cell (P,) of each sample."""
        values, slopes = fit.errors(coefficients)
        seen = (fit.kept.weights > 0).to(values)
        away = fit.kept.distances.abs()
        near = torch.where(values > _UNSURE * away, 1.0, 1 / (1 + (away / _NEAR).square())) * seen
        squares = ((values + _SLOPE * fit.spacing * slopes) * near).square()
        counts = fit.fit.offsets.diff()
        cell_of = torch.arange(len(counts)).repeat_interleave(counts)
        error = (squares.new_zeros(len(counts)).index_add_(0, cell_of, squares) / counts).sqrt()
        return error, cell_of

    def _allowed(self, fit: LatticeFit, coarse: Tensor, fine: Tensor) -> Tensor:
        """The nodes of the next lattice that matter at a sample and are in or next to cells of nodes `coarse`."""
        around = ops.dilate(torch.unique(fine))
        reached = LatticeFit(ops.dilate(around), fit.spacing / 2, fit.kept)
        nodes = around[reached.largest()[find(ops.dilate(around), around)] > _REACHED]
        return nodes[find(ops.dilate(coarse), ops.keys_of(ops.cells_of(nodes) >> 1)) >= 0]
