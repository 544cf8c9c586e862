"""Which nodes the next finer lattice of a distance field gets, so that a number of parameters is spent where it helps."""

import math

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.distance_fit import LatticeFit, Samples
from geokit.fields.distance_lattice import pack_nodes
from geokit.fields.surface_lattice import find, sorted_by_cell

_SLOPE = 0.1  # cells that an error of 1 in the gradient counts as, as an error of the value
_NEAR = 0.02  # cells of the coarsest lattice from the surface at which an error counts half
_REACHED = 0.03  # largest value at a sample below which a spline is left out
_DECAY = 0.25  # by which errors shrink from one lattice to the next, before it has been seen
_DEEPEST = 9
_TRIES = 10


class Refinement:
    """Keeps how large the error is at every sample, and what has been spent."""

    def __init__(self, samples: Samples, parameters: int) -> None:
        self.samples, self.parameters, self.spent = samples, parameters, 0.0
        self.error = torch.full((len(samples),), math.inf)
        self.level = torch.full((len(samples),), -1)
        self.near = 1 / (1 + samples.distances.abs() / _NEAR)

    def next(self, fit: LatticeFit, coefficients: Tensor, keys: list[Tensor], level: int) -> Tensor | None:
        """The nodes of the lattice `level` + 1, or None where nothing is left to be spent."""
        values, slopes = fit.errors(coefficients)
        fresh = (values + _SLOPE * fit.spacing * slopes) * self.near[fit.own] * (fit.kept.weights > 0)
        before = self.error[fit.own]
        known = before.isfinite()
        decay = float(fresh.double().square().mean().sqrt() / before.double().square().mean().sqrt()) if bool(known.all()) else _DECAY
        decay = min(max(decay, 0.1), 0.7)
        self.error[fit.own], self.level[fit.own] = fresh, level
        self.spent += len(keys[level]) + (len(pack_nodes(keys[level - 1], keys[level])) / 4 if level else 0)
        left = self.parameters - self.spent
        if level + 1 >= _DEEPEST or left <= 0:
            return None
        candidates = (self.level == level).nonzero()[:, 0]
        own = self.samples[candidates]
        order, cells, offsets, _ = sorted_by_cell(own.places / (fit.spacing / 2))
        counts = offsets.diff()
        squares = torch.zeros(len(cells)).index_add_(
            0, torch.arange(len(cells)).repeat_interleave(counts), self.error[candidates][order].square()
        )
        error = (squares / counts).sqrt()
        around = ops.dilate(cells)
        reached = LatticeFit(ops.dilate(around), fit.spacing / 2, own)
        value = reached.largest()
        allowed = around[value[find(ops.dilate(around), around)] > _REACHED]

        def nodes(limit: float) -> Tensor:
            some = cells[error > limit]
            if not len(some):
                return some
            grown = ops.dilate(some)
            return grown[find(allowed, grown) >= 0]

        def cost(found: Tensor) -> float:
            return len(found) + (len(pack_nodes(keys[level], found)) / 4 + 4 if len(found) else 0)

        everything = cost(nodes(-1.0))
        a_cell = everything / len(cells)
        ranked = error.sort(descending=True).values

        def foreseen(limit: float) -> tuple[float, float]:
            """Of this lattice and of all after it, what a limit costs."""
            first = a_cell * float((ranked > limit).sum())
            later = sum(
                a_cell * 4**k * float((ranked * decay**k > limit).sum()) for k in range(1, _DEEPEST - level - 1)
            )
            return first, later

        low, high = 1e-9, float(ranked[0]) * 1.001
        for _ in range(40):
            middle = math.sqrt(low * high)
            low, high = (low, middle) if sum(foreseen(middle)) <= left else (middle, high)
        first, later = foreseen(high)
        found = nodes(high)
        if DEBUG:
            print(f"   level {level} cell {fit.spacing:.4f} nodes {len(keys[level])} samples {len(fit.own)} rms {float(values.square().mean().sqrt()):.2e} slope {float(slopes.mean()):.3f} decay {decay:.2f} left {left:.0f} cells {len(cells)} a_cell {a_cell:.2f} take {int((ranked>high).sum())} cost {cost(found):.0f} first {first:.0f} later {later:.0f}", flush=True)
        if later > 0.1 * first and cost(found) <= left:
            return found
        # The last: as much as there is.
        ends = [0, len(ranked)]
        best = nodes(math.inf)
        for _ in range(_TRIES + 8):
            guess = (ends[0] + ends[1] + 1) // 2
            found = nodes(float(ranked[guess - 1]) * (1 - 1e-6)) if guess else best
            if cost(found) <= left:
                best, ends[0] = found, guess
            else:
                ends[1] = guess - 1
            if ends[0] >= ends[1]:
                break
        return best if len(best) else None


DEBUG = False
