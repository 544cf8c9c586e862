"""The least squares fit of one lattice of splines to distances and their gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.surface_lattice import find, sorted_by_cell, spline_sums, spline_weights

_FIRST = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_STEPS, _TOLERANCE = 20, 1e-2
_FAR = 2.0  # cells from the surface at which a sample counts 1/4 as much
_CHUNK = 1 << 17  # samples whose 27 weights are in memory at once


@dataclass(frozen=True)
class Samples:
    """What a distance field is fitted to, lengths in cells of the coarsest lattice: places (P, 3), distances (P,) and
    their gradients (P, 3), with weights (P,)."""

    places: Tensor
    distances: Tensor
    slopes: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, which: Tensor | slice) -> "Samples":
        return Samples(self.places[which], self.distances[which], self.slopes[which], self.weights[which])


class LatticeFit:
    """A lattice of nodes keys (N,) ascending, and the samples in cells of it that have all their nodes, sorted by
    cell: `own`, their numbers, and `kept`. Those far from the surface for the spacing count less."""

    def __init__(self, keys: Tensor, spacing: float, samples: Samples) -> None:
        around = ops.around(keys, keys)
        cells = find(keys, ops.keys_of((samples.places / spacing).floor().long()))
        self.own = ((cells >= 0) & (around & 7 == 7).all(1)[cells]).nonzero()[:, 0]
        kept = samples[self.own]
        far = (1 + kept.distances.abs() / (_FAR * spacing)).square().reciprocal()
        kept = Samples(kept.places, kept.distances, kept.slopes, kept.weights * far)
        order, occupied, offsets, places = sorted_by_cell(kept.places / spacing)
        self.own, self.kept, self.spacing = self.own[order], kept[order], spacing
        centers = find(keys, occupied)
        cell_of = torch.full((len(keys),), -1, dtype=torch.int32)
        cell_of[centers] = torch.arange(len(centers), dtype=torch.int32)
        self.fit = ops.FitPoints(
            around, centers.to(torch.int32), cell_of, offsets, places, self.kept.slopes, self.kept.weights
        )
        self.ids = ops.nodes_of(around[centers]).repeat_interleave(offsets.diff(), dim=0)

    def forces(self, weights: Tensor) -> Tensor:
        """(N,) sums over the samples of weights (P,) times the value of every spline there."""
        out = weights.new_zeros(len(self.fit.cell_of))
        for begin in range(0, len(weights), _CHUNK):
            some = slice(begin, begin + _CHUNK)
            x, y, z = (spline_weights(self.fit.places[some, axis], 0) for axis in range(3))
            basis = torch.einsum("pi,pj,pk->pijk", x * weights[some, None], y, z).reshape(-1)
            out.index_add_(0, self.ids[some].reshape(-1), basis)
        return out

    def largest(self) -> Tensor:
        """(N,) the largest value of every spline at a sample."""
        out = self.fit.places.new_zeros(len(self.fit.cell_of))
        for begin in range(0, len(self.own), _CHUNK):
            some = slice(begin, begin + _CHUNK)
            x, y, z = (spline_weights(self.fit.places[some, axis], 0) for axis in range(3))
            basis = torch.einsum("pi,pj,pk->pijk", x, y, z).reshape(-1)
            out.scatter_reduce_(0, self.ids[some].reshape(-1), basis, "amax")
        return out

    def solved(
        self, start: Tensor, free: Tensor, value_weight: float, bend_weight: float, steps: int = _STEPS
    ) -> Tensor:
        """The coefficients (N,), lengths, that fit best of all that differ from `start` only where `free`.

        Minimises sum_p w_p (value_weight (f(p) - distance_p)^2 / spacing^2 + |grad f(p) - slope_p|^2) and bend_weight
        times the squared second differences, by conjugate gradients with the diagonal as preconditioner.
        """
        fit, x = self.fit, start / self.spacing
        right = self.forces(fit.weights * self.kept.distances * (value_weight / self.spacing))
        scale = torch.where(free, 1 / ops.fit_diagonal(fit, value_weight, bend_weight).clamp_min(1e-12), 0)
        residual = right - ops.fit_gradient(x, fit, value_weight, bend_weight)
        z = scale * residual
        direction, product = z, torch.dot(residual, z)
        enough = _TOLERANCE**2 * float(product)
        for _ in range(steps):
            if not float(product) > enough:
                break
            image = ops.fit_gradient(direction, fit, value_weight, bend_weight, wanted=False)
            step = product / torch.dot(direction, image)
            x = x + step * direction
            residual = residual - step * image
            z = scale * residual
            product, before = torch.dot(residual, z), product
            direction = z + product / before * direction
        return x * self.spacing

    def errors(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """How far values, as lengths, and gradients are from those wanted, at the samples `own`: (P,) and (P,)."""
        values, slopes = [], []
        for begin in range(0, len(self.own), _CHUNK):
            some = slice(begin, begin + _CHUNK)
            c, t = coefficients[self.ids[some]], self.fit.places[some]
            values.append(spline_sums(c, t, (0, 0, 0)) - self.kept.distances[some])
            found = torch.stack([spline_sums(c, t, kind) for kind in _FIRST], dim=1) / self.spacing
            slopes.append((found - self.kept.slopes[some]).norm(dim=1))
        return torch.cat(values).abs(), torch.cat(slopes)
