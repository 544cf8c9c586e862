"""What a Laplacian is to the rest of the spectral family: a stiffness matrix and masses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.intrinsic_ops import edge_entries
from geokit.geometry.sparse import SparseMatrix

_LEAST_MASS = 1e-8  # of the mean mass


@dataclass(frozen=True)
class Laplacian:
    """L = diag(masses)^-1 stiffness on N vertices.

    stiffness: (N, N) symmetric, positive semi-definite, rows sum to zero; of length^0 on surfaces. masses: (N,) > 0,
    the area that belongs to each vertex, squared units of length. So eigenvalues have units of 1 / length^2.
    """

    stiffness: SparseMatrix
    masses: Tensor

    def __len__(self) -> int:
        return len(self.masses)

    @property
    def area(self) -> float:
        """The sum of the masses."""
        return float(self.masses.sum())


def laplacian_of_faces(faces: Tensor, cotangents: Tensor, doubled_areas: Tensor, count: int) -> Laplacian:
    """Linear finite elements with lumped masses on `count` vertices from what is known of each face.

    faces: (F, 3). cotangents: (F, 3) of the angles at their corners. doubled_areas: (F,). Differentiable by both.
    """
    offsets, columns, slots, diagonal = edge_entries(faces, count)
    i, j = faces.reshape(-1), faces.roll(-1, dims=1).reshape(-1)
    half = cotangents.roll(1, dims=1).reshape(-1) / 2  # of the side from corner c to c + 1: at corner c + 2
    half = torch.where(i == j, 0, half)  # the sides of a loop would cancel, but for their rounding
    places = torch.cat([slots.reshape(-1), diagonal[i], diagonal[j]])  # side by side, so that (i, j) sums as (j, i)
    entries = torch.cat([-half.repeat_interleave(2), half, half])
    stiffness = SparseMatrix(offsets, columns, half.new_zeros(len(columns)).index_add(0, places, entries), count)
    masses = doubled_areas.new_zeros(count).index_add(0, faces.T.reshape(-1), (doubled_areas / 6).repeat(3))
    return Laplacian(stiffness, positive_masses(masses))


def positive_masses(masses: Tensor) -> Tensor:
    """The masses (N,), none less than a hundred-millionth of their mean: vertices of flat faces alone have no area."""
    return torch.maximum(masses, _LEAST_MASS * masses.detach().mean())
