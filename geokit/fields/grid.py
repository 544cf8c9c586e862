"""Grids of several resolutions as an encoding of space."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend.grid_layout import GridLayout, sites
from geokit.backend.grid_ops import grid_encode
from geokit.errors import InvalidInput

METRICS = ("linear", "sine", "arcsine")
_TURN = 0x9E3779B1  # rows by which the tables of two metrics are turned against each other, modulo each level's rows
_BEND = 1.4  # radians: arcsine covers the angles up to here on either side, short of where its slope is infinite
_FEWEST = 16  # rows of a level that still tell places apart


def grid_cells(bounds: Tensor, levels: int, coarsest: int, finest: int) -> tuple[tuple[int, ...], ...]:
    """Cells of each level along each axis of a box, as nearly cubes as whole numbers allow.

    coarsest, finest: cells along the longest side at the first and last level, which grow by one factor from level to
    level (Mueller et al. 2022, equation 3). Raises `InvalidInput` unless 1 <= coarsest <= finest.
    """
    if levels < 1 or not 1 <= coarsest <= finest:
        raise InvalidInput(
            f"there must be a level, and 1 <= coarsest <= finest cells, got {levels} levels from {coarsest} to {finest}"
        )
    growth = (finest / coarsest) ** (1 / (levels - 1)) if levels > 1 else 1.0
    return cells_of(bounds, [coarsest * growth**level for level in range(levels)])


def cells_of(bounds: Tensor, resolutions: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """The same for levels whose cells along the longest side are given, such as by `adaptive_resolutions`."""
    sides = (bounds[1] - bounds[0]).tolist()
    return tuple(tuple(max(round(n * side / max(sides)), 1) for side in sides) for n in resolutions)


def rows_for_budget(cells: Sequence[Sequence[int]], rows: int, basis: str) -> tuple[int, ...]:
    """Rows of each level that are `rows` together, or all sites where these are fewer.

    Every level has the same number, up to one, but those whose sites are fewer: they are dense.
    Raises `InvalidInput` where a level would have less than 16 rows, and not all of its sites.
    """
    wanted = [sites(c, basis) for c in cells]
    found, left = [0] * len(cells), rows
    for place, level in enumerate(sorted(range(len(cells)), key=wanted.__getitem__)):
        found[level] = min(wanted[level], left // (len(cells) - place))
        left -= found[level]
    if any(found[level] < min(_FEWEST, wanted[level]) for level in range(len(cells))):
        raise InvalidInput(
            f"{max(rows, 0)} rows are too few for {len(cells)} levels of at least {_FEWEST}: "
            "raise the budget, or take fewer levels, features or hidden units"
        )
    return tuple(found)


class GridEncoding(nn.Module):
    """Features of a point from tables over grids of several resolutions: (N, levels features).

    bounds (2, d), d = 2 or 3: the box; points outside have the features of the nearest point of the box.
    cells[l][k]: cells of level l along axis k (see `grid_cells`). rows: of the table that each level may have at most,
    or of every level; a level with fewer rows than sites is hashed. basis: "linear"; "smoothstep" or "spline" have
    continuous first derivatives (see `GridLayout`). Rows start uniform in [-1e-4, 1e-4], drawn by the seed.

    metrics: maps of the box onto itself through which the one table is used, and whose features are summed: "linear",
    "sine", which is finer in the middle, and "arcsine", which is finer at the faces, so that cells of different sizes
    and places share one table. Source: MetricGrids (Wang et al., CVPR 2025). Other than theirs, every map covers the
    whole grid, with the table's rows turned, and the arcsine ends at 1.4 radians, where its slope is still finite.

    Source: Mueller et al. 2022, "Instant neural graphics primitives". Raises `InvalidInput` for options that cannot be.
    """

    bounds: Tensor

    def __init__(
        self,
        bounds: Tensor,
        cells: Sequence[Sequence[int]],
        rows: int | Sequence[int] = 1 << 15,
        features: int = 2,
        basis: str = "linear",
        metrics: Sequence[str] = ("linear",),
        seed: int = 0,
    ) -> None:
        super().__init__()
        wanted = tuple(tuple(c) for c in cells)
        self.layout = (
            GridLayout.of(wanted, rows, basis) if isinstance(rows, int) else GridLayout(wanted, tuple(rows), basis)
        )
        if features < 1:
            raise InvalidInput(f"a level needs at least one feature, got {features}")
        if bounds.ndim != 2 or bounds.shape != (2, self.layout.dimension):
            raise InvalidInput(
                f"bounds must be (2, {self.layout.dimension}) as the cells are, got {tuple(bounds.shape)}"
            )
        if not metrics or not set(metrics) <= set(METRICS):
            raise InvalidInput(f"metrics must be some of {', '.join(METRICS)}, got {list(metrics)}")
        self.register_buffer("bounds", bounds.detach().clone())
        self.metrics = tuple(metrics)
        self.turned = [self.layout.shifted(_TURN * METRICS.index(metric)) for metric in metrics]
        drawn = torch.rand(
            self.layout.table_rows, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        self.table = nn.Parameter((2e-4 * drawn - 1e-4).to(bounds))
        self.width = len(wanted) * features

    def config(self) -> dict[str, Any]:
        """Cells, rows, features, basis and metrics."""
        return {
            "kind": "grid",
            "cells": [list(c) for c in self.layout.cells],
            "rows": list(self.layout.rows),
            "features": self.table.shape[1],
            "basis": self.layout.basis,
            "metrics": list(self.metrics),
        }

    def features(self, x: Tensor) -> Tensor:
        """Features (N, width) of points x (N, d), the transpose of a contiguous tensor."""
        unit = ((x - self.bounds[0]) / (self.bounds[1] - self.bounds[0])).clamp(0, 1)
        parts = [
            grid_encode(_mapped(unit, metric), self.table, layout) for metric, layout in zip(self.metrics, self.turned)
        ]
        return parts[0] if len(parts) == 1 else torch.stack([p.T for p in parts]).sum(0).T


def _mapped(unit: Tensor, metric: str) -> Tensor:
    if metric == "sine":
        return (2 * unit - 1).sin() / (2 * math.sin(1)) + 0.5
    if metric == "arcsine":
        return ((2 * unit - 1) * math.sin(_BEND)).asin() / (2 * _BEND) + 0.5
    return unit
