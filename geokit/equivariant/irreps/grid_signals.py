"""Signals on a grid of orientations <-> irreps, so that position-orientation networks and irreps mix in one network."""

from typing import Protocol

import torch
from torch import Tensor

from geokit.equivariant.irreps.harmonics import spherical_harmonics
from geokit.equivariant.irreps.layout import degree_of_size
from geokit.errors import InvalidInput


class SphereGrid(Protocol):
    """Points (O, 3) and weights (O,), sum 1, exact for polynomials up to `degree`: an `OrientationGrid`, or other."""

    @property
    def points(self) -> Tensor:
        """(O, 3) unit vectors."""

    @property
    def weights(self) -> Tensor:
        """(O,)."""

    @property
    def degree(self) -> int:
        """The largest degree that is integrated exactly."""


class GridSignals(torch.nn.Module):
    """Signals (..., O, C) on a grid of O orientations <-> coefficients (..., C, (L + 1)^2), "component" normalization.

    `to_irreps` takes the mean of signal x harmonic by the grid's weights, which is exact, so that it undoes
    `to_signal`, when the grid is exact for degree 2 L: the L chosen when `degree` is None is the largest such. There
    to_signal after to_irreps is the projection onto degrees up to L. Between, both commute with the grid's own
    rotations, and with all rotations for signals of degree up to L. Raises `InvalidInput` for grids not on the sphere,
    or too coarse for `degree`.
    """

    harmonics: Tensor
    weighted: Tensor

    def __init__(self, grid: SphereGrid, degree: int | None = None) -> None:
        super().__init__()
        if grid.points.shape[-1] != 3:
            raise InvalidInput(f"the grid must be of directions in space (O, 3), got {tuple(grid.points.shape)}")
        exact = grid.degree
        self.degree = exact // 2 if degree is None else degree
        if 2 * self.degree > exact:
            raise InvalidInput(
                f"degree {self.degree} needs a grid that is exact for degree {2 * self.degree}, but this one, of "
                f"{len(grid.points)} orientations, is for {exact}; take degree {exact // 2}, or a finer grid"
            )
        harmonics = spherical_harmonics(self.degree, grid.points.double())
        self.register_buffer("harmonics", harmonics, persistent=False)
        self.register_buffer("weighted", grid.weights.double()[:, None] * harmonics, persistent=False)

    def to_irreps(self, signal: Tensor) -> Tensor:
        """(..., C, (L + 1)^2), of (..., O, C)."""
        if signal.dim() < 2 or signal.shape[-2] != len(self.harmonics):
            raise InvalidInput(f"signal must have shape (..., {len(self.harmonics)}, C), got {tuple(signal.shape)}")
        return signal.mT @ self.weighted.to(signal)

    def to_signal(self, coefficients: Tensor) -> Tensor:
        """(..., O, C), of (..., C, (L + 1)^2)."""
        if degree_of_size("coefficients", coefficients) != self.degree:
            raise InvalidInput(f"coefficients must be of degree {self.degree}, got shape {tuple(coefficients.shape)}")
        return self.harmonics.to(coefficients) @ coefficients.mT
