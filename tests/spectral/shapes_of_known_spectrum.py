"""Laplacians of which the eigenvalues are known, or found densely."""

import math

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.geometry.sparse import SparseMatrix
from geokit.spectral.cotangent import cotangent_laplacian
from geokit.spectral.operator import Laplacian
from tests.geometry.shapes import sphere


def flat_torus(rows: int, columns: int) -> tuple[Laplacian, Tensor]:
    """The linear finite elements of a unit square whose opposite sides are one, and all their eigenvalues, ascending.

    On a grid cut into right triangles these are the five-point differences: the eigenvalues are known exactly.
    """
    here = torch.arange(rows * columns).reshape(rows, columns)
    pairs = [(here, here.roll(-1, 1), rows / columns), (here, here.roll(-1, 0), columns / rows)]
    i, j = (torch.cat([p[k].flatten() for p in pairs]) for k in (0, 1))
    # The cotangent weight of the side along x, of length 1 / columns, is (1 / rows) / (1 / columns) inverted.
    weight = torch.cat([torch.full((rows * columns,), 1 / w, dtype=torch.float64) for *_, w in pairs])
    entries = torch.cat([-weight, -weight, weight, weight])
    size = rows * columns
    stiffness = SparseMatrix.from_triplets(torch.cat([i, j, i, j]), torch.cat([j, i, i, j]), entries, (size, size))
    masses = torch.full((size,), 1 / size, dtype=torch.float64)
    a, b = (n**2 * (2 - 2 * torch.cos(2 * math.pi * torch.arange(n, dtype=torch.float64) / n)) for n in (rows, columns))
    return Laplacian(stiffness, masses), (a[:, None] + b).flatten().sort().values


def copies(of: Laplacian, count: int) -> Laplacian:
    """Separate copies of one shape."""
    stiffness, size = of.stiffness, len(of)
    shifts = size * torch.arange(count).repeat_interleave(len(stiffness.values))
    return Laplacian(
        SparseMatrix.from_triplets(
            stiffness.rows.repeat(count) + shifts,
            stiffness.columns.repeat(count) + shifts,
            stiffness.values.repeat(count),
            (size * count, size * count),
        ),
        of.masses.repeat(count),
    )


def bumpy(level: int = 3) -> Laplacian:
    """A sphere with bumps: no symmetry."""
    mesh = sphere(level)
    x, y, z = mesh.vertices.T
    heights = 1 + 0.2 * torch.sin(3 * x + 1) * torch.cos(2 * y + z + 0.5)
    return cotangent_laplacian(Mesh(mesh.vertices * heights[:, None], mesh.faces))


def dense_eigenvalues(laplacian: Laplacian) -> Tensor:
    """All of them, by the dense solver."""
    roots = laplacian.masses.sqrt()
    return torch.linalg.eigvalsh(laplacian.stiffness.dense() / roots[:, None] / roots)
