"""The fit of a hierarchy of spline lattices to oriented points, from coarse to fine."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend import spline_ops as ops
from geokit.fields.surface_lattice import FIRST, find, prolonged, sorted_by_cell, spline_sums, with_cells

_STEPS = 60  # of conjugate gradients a level; the coarsest takes up to 10 times as many
_TOLERANCE, _COARSEST_TOLERANCE = 3e-3, 1e-6  # by which they reduce the residual; the coarsest is far from its points
_ENOUGH = 8  # points a cell that coarse levels look at
_CHUNK = 1 << 17  # cells in memory at once
_FULL = 3.0  # points a cell above which each counts less: coarse levels weigh data against bending as the finest does


@dataclass(frozen=True)
class Level:
    """One lattice: spacing, keys (N,) of its nodes, coefficients (N,), and keys of its cells at the surface."""

    spacing: float
    keys: Tensor
    coefficients: Tensor
    surface: Tensor


@dataclass(frozen=True)
class Weights:
    """Of squared values, in cells, and of squared second differences against squared errors of the gradient."""

    value: float
    bend: float


Near = Callable[[Tensor], Tensor]


def fit_levels(points: Tensor, normals: Tensor, spacings: list[float], weights: Weights, near: Near) -> list[Level]:
    """Lattices of every spacing, each half the one before, fitted to points (P, 3) with normals.

    The coarsest covers a box around the points; every other covers the cells at the surface, and adds to what the
    coarser ones found, whose sum it equals at its rim. Cells at the surface hold points, or the zero set of the coarser
    fit passes through them where `near` says so of their centres.
    """
    levels: list[Level] = []
    for spacing in spacings:
        order, occupied, offsets, places = sorted_by_cell(points / spacing)
        stride = len(points) // (_ENOUGH * len(occupied))
        if stride > 1:
            some = order[::stride].sort().values
            order, occupied, offsets, places = sorted_by_cell(points[some] / spacing)
            order = some[order]
        surface = occupied
        if levels:
            surface = with_cells(occupied, _crossed(levels[-1], occupied, near))
            active = ops.dilate(surface)
            keys = ops.dilate(ops.dilate(active))
            free = find(active, keys) >= 0
            start = prolonged(levels[-1].keys, levels[-1].coefficients, keys) / spacing
        else:
            keys = _box(ops.cells_of(occupied))
            free, start = torch.ones_like(keys, dtype=torch.bool), points.new_zeros(len(keys))
        full = _FULL * len(occupied) / len(order)
        fit = _fit_points(keys, occupied, offsets, places, normals[order], min(1.0, full))
        found = _solve(
            fit, start, free, weights, *((_STEPS, _TOLERANCE) if levels else (10 * _STEPS, _COARSEST_TOLERANCE))
        )
        levels.append(Level(spacing, keys, found * spacing, surface))
    return levels


def _box(cells: Tensor) -> Tensor:
    """The keys of all cells of the box around cells (N, 3), with room on every side."""
    low, high = cells.amin(0) - 4, cells.amax(0) + 4
    return ops.keys_of(torch.cartesian_prod(*(torch.arange(int(a), int(b) + 1) for a, b in zip(low, high))))


def _crossed(level: Level, occupied: Tensor, near: Near) -> Tensor:
    """The cells of half the spacing, without points, that the zero set passes in the level's cells at the surface."""
    passed = [occupied.new_zeros(0)]
    for surface in level.surface.split(_CHUNK):
        coefficients = level.coefficients[ops.nodes_of(ops.around(level.keys, surface))]
        cells = ops.cells_of(surface)
        for corner in range(8):
            pick = torch.tensor([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
            t = ((pick - 0.5).to(coefficients)[None] / 2).expand(len(cells), 3)
            value = spline_sums(coefficients, t, (0, 0, 0))
            slope = torch.stack([spline_sums(coefficients, t, order) for order in FIRST], dim=1).norm(dim=1)
            found = (2 * cells + pick)[value.abs() <= math.sqrt(3) / 4 * slope]
            found = found[find(occupied, ops.keys_of(found)) < 0]
            if len(found):
                centers = (found.to(coefficients) + 0.5) * (level.spacing / 2)
                passed.append(ops.keys_of(found[near(centers)]))
    return torch.cat(passed)


def _fit_points(
    keys: Tensor, occupied: Tensor, offsets: Tensor, places: Tensor, normals: Tensor, weight: float
) -> ops.FitPoints:
    centers = find(keys, occupied).to(torch.int32)
    cell_of = torch.full((len(keys),), -1, dtype=torch.int32)
    cell_of[centers.long()] = torch.arange(len(centers), dtype=torch.int32)
    weights = places.new_full((len(places),), weight)
    return ops.FitPoints(ops.around(keys, keys), centers, cell_of, offsets, places, normals, weights)


def _solve(fit: ops.FitPoints, start: Tensor, free: Tensor, weights: Weights, steps: int, tolerance: float) -> Tensor:
    """The minimum over the free coefficients, by conjugate gradients with the diagonal as preconditioner."""
    scale = torch.where(free, 1 / ops.fit_diagonal(fit, weights.value, weights.bend).clamp_min(1e-20), 0)
    residual = -ops.fit_gradient(start, fit, weights.value, weights.bend)
    x, z = start.clone(), scale * residual
    direction, product = z.clone(), torch.dot(residual, z)
    # Against the right side, so that a good start is not improved beyond need.
    right = ops.fit_gradient(torch.zeros_like(start), fit, weights.value, weights.bend)
    enough = tolerance**2 * float(torch.dot(right, scale * right))
    del right
    for _ in range(steps):
        if not float(product) > enough:
            break
        image = ops.fit_gradient(direction, fit, weights.value, weights.bend, wanted=False)
        step = product / torch.dot(direction, image)
        x.addcmul_(direction, step)  # in place: there are millions of coefficients
        residual.addcmul_(image, -step)
        torch.mul(scale, residual, out=z)
        product, before = torch.dot(residual, z), product
        direction = direction.mul_(product / before).add_(z)
    return x
