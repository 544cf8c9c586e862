"""What a Laplacian is to the rest of the spectral family: a stiffness matrix and masses."""

from dataclasses import dataclass

import torch
from torch import Tensor

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


def positive_masses(masses: Tensor) -> Tensor:
    """The masses (N,), none less than a hundred-millionth of their mean: vertices of flat faces alone have no area."""
    return torch.maximum(masses, _LEAST_MASS * masses.detach().mean())
