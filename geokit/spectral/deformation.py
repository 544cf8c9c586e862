"""A shape drawn towards given places, its neighbourhoods turning rather than stretching."""

import torch
from torch import Tensor

from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.cholesky import Cholesky
from geokit.spectral.shape import SpectralShape


class Deformation:
    """As-rigid-as-possible deformations of a shape of N vertices (Sorkine, Alexa 2007).

    The energy is sum_ij w_ij |(x_i - x_j) - R_i (v_i - v_j)|^2 / 2 + pull sum_i m_i |x_i - target_i|^2: stiffness over
    distances below about 1 / sqrt(pull).
    """

    def __init__(self, shape: SpectralShape) -> None:
        stiffness = shape.laplacian.stiffness
        rows = stiffness.rows
        apart = rows != stiffness.columns
        self._i, self._j = rows[apart], stiffness.columns[apart]
        # Obtuse angles have negative weights, which would push neighbours apart.
        self._weights = -stiffness.values[apart].detach().clamp(max=-1e-3)
        vertices = shape.mesh.vertices
        self._edges = vertices[self._i] - vertices[self._j]
        self._masses = shape.laplacian.masses.detach()
        count = len(shape)
        sums = vertices.new_zeros(count).index_add(0, self._i, self._weights)
        everywhere = torch.cat([self._i, torch.arange(count)]), torch.cat([self._j, torch.arange(count)])
        self._stiffness = SparseMatrix.from_triplets(*everywhere, torch.cat([-self._weights, sums]), (count, count))
        entry = torch.arange(len(self._i))
        self._gather = SparseMatrix.from_triplets(self._i, entry, self._weights, (count, len(entry)))
        self._pull = 0.0

    def towards(self, targets: Tensor, places: Tensor, pull: float) -> Tensor:
        """Places (N, 3) of less energy than the given ones (N, 3): rotations fitted to these, then places to both."""
        if pull != self._pull:
            self._factor, self._pull = Cholesky(self._stiffness.add_diagonal(pull * self._masses)), pull
        spread = (places[self._i] - places[self._j]).unsqueeze(2) * self._edges.unsqueeze(1)
        turns = rotations((self._gather @ spread.flatten(1)).reshape(-1, 3, 3))
        mean_turns = (turns[self._i] + turns[self._j]) / 2
        turned = (mean_turns @ self._edges.unsqueeze(2)).squeeze(2)
        return self._factor.solve(self._gather @ turned + pull * self._masses[:, None] * targets)


def rotations(matrices: Tensor) -> Tensor:
    """The rotations (..., 3, 3) nearest to matrices (..., 3, 3)."""
    u, _, vt = torch.linalg.svd(matrices)
    flips = torch.linalg.det(u @ vt).sign()
    u = torch.cat([u[..., :2], u[..., 2:] * flips[..., None, None]], dim=-1)
    return u @ vt
