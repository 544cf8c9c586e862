"""A shape drawn towards given places, its neighbourhoods turning rather than stretching."""

import torch
from torch import Tensor

from geokit.errors import NumericalFailure
from geokit.geometry.rotations import matrix_from_axis_angle
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.cholesky import SignedFactor, SymmetricPattern
from geokit.spectral.operator import Laplacian

_State = tuple[Tensor, Tensor]
_TURNS = 2  # steps of a rotation towards the one that fits best: it goes on from where it was left


class Deformation:
    """As-rigid-as-possible deformations of a shape of N vertices (Sorkine, Alexa 2007).

    The energy of places x and rotations R is sum_ij w_ij |(x_i - x_j) - R_i (v_i - v_j)|^2 / 2 + sum_i p_i |x_i -
    target_i|^2. Where the pulls p are a multiple of the masses, the shape is stiff over distances below about
    1 / sqrt(multiple).
    """

    def __init__(self, vertices: Tensor, laplacian: Laplacian) -> None:
        """vertices (N, 3) float64 at rest, and their Laplacian."""
        stiffness = laplacian.stiffness
        rows = stiffness.rows
        apart = rows != stiffness.columns
        self._i, self._j = rows[apart], stiffness.columns[apart]
        # Obtuse angles have negative weights, which would push neighbours apart.
        weights = -stiffness.values[apart].detach().clamp(max=-1e-3)
        self._edges = vertices[self._i] - vertices[self._j]
        count = len(vertices)
        sums = vertices.new_zeros(count).index_add(0, self._i, weights)
        everywhere = torch.cat([self._i, torch.arange(count)]), torch.cat([self._j, torch.arange(count)])
        self._stiffness = SparseMatrix.from_triplets(*everywhere, torch.cat([-weights, sums]), (count, count))
        self._pattern = SymmetricPattern.of(self._stiffness)
        self._plan = self._pattern.plan()
        entry = torch.arange(len(self._i))
        self._gather = SparseMatrix.from_triplets(self._i, entry, weights, (count, len(entry)))

    def turns_at(self, places: Tensor) -> Tensor:
        """(N, 3, 3) the rotations of least energy for places (N, 3)."""
        return rotations(self._spreads(places))

    def towards(self, targets: Tensor, pulls: Tensor, places: Tensor, turns: Tensor, rounds: int = 1) -> _State:
        """Places (N, 3) and rotations (N, 3, 3) of less energy than the given ones, for targets (N, 3).

        pulls: (N,) > 0. Each round changes the rotations, then the places. Raises `NumericalFailure` where the system
        is singular to rounding.
        """
        entries = self._stiffness.add_diagonal(pulls).values
        factor = SignedFactor(self._pattern, self._plan, self._pattern.symmetric_part(entries))
        if not factor.whole:
            raise NumericalFailure("a deformation cannot be solved for: the shape has faces too thin to be told apart")
        for _ in range(rounds):
            turns = turned_towards(turns, self._spreads(places), _TURNS)
            mean_turns = (turns[self._i] + turns[self._j]) / 2
            turned = (mean_turns @ self._edges.unsqueeze(2)).squeeze(2)
            places = factor.solve(self._gather @ turned + pulls[:, None] * targets)
        return places, turns

    def _spreads(self, places: Tensor) -> Tensor:
        """(N, 3, 3) sum_j w_ij (x_i - x_j) (v_i - v_j)^T: the rotation nearest to it fits the edges around best."""
        spread = (places[self._i] - places[self._j]).unsqueeze(2) * self._edges.unsqueeze(1)
        return (self._gather @ spread.flatten(1)).reshape(-1, 3, 3)


def rotations(matrices: Tensor) -> Tensor:
    """The rotations (..., 3, 3) nearest to matrices (..., 3, 3)."""
    u, _, vt = torch.linalg.svd(matrices)
    flips = torch.linalg.det(u @ vt).sign()
    u = torch.cat([u[..., :2], u[..., 2:] * flips[..., None, None]], dim=-1)
    return u @ vt


def turned_towards(turns: Tensor, matrices: Tensor, steps: int) -> Tensor:
    """Rotations (N, 3, 3) nearer to matrices (N, 3, 3) than the given ones, after so many steps.

    Each turns by (sum of r_i x a_i) / |sum of r_i . a_i| of the columns (Mueller et al. 2016, "A robust method to
    extract the rotational part of deformations"): many times cheaper than singular values, and never a reflection.
    """
    for _ in range(steps):
        axes = torch.linalg.cross(turns, matrices, dim=1).sum(2)
        axes = axes / ((turns * matrices).sum((1, 2)).abs() + 1e-12)[:, None]
        turns = matrix_from_axis_angle(axes) @ turns
    return turns
