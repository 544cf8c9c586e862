"""A closed shape without symmetry, and copies of it, whose correspondence is known."""

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh
from geokit.spectral.shape import SpectralShape, prepare
from tests.geometry.shapes import sphere


def blob(subdivisions: int = 3) -> Mesh:
    """A sphere stretched and dented so that no isometry but the identity is left."""
    ball = sphere(subdivisions)
    x, y, z = ball.vertices.unbind(1)
    radius = 1 + 0.25 * torch.sin(2.1 * x + 0.5) + 0.2 * torch.cos(2.7 * y - 1) * z + 0.15 * torch.sin(3.3 * z + x)
    stretch = torch.tensor([1.0, 1.25, 1.6], dtype=torch.float64)
    return Mesh(ball.vertices * radius[:, None] * stretch, ball.faces)


def permuted(mesh: Mesh, seed: int = 0) -> tuple[Mesh, Tensor]:
    """The mesh with its vertices in another order, and p2p (V,): vertex i of the copy is vertex p2p[i] of the mesh."""
    p2p = torch.randperm(len(mesh.vertices), generator=torch.Generator().manual_seed(seed))
    places = torch.empty_like(p2p)
    places[p2p] = torch.arange(len(p2p))
    return Mesh(mesh.vertices[p2p], places[mesh.faces]), p2p


def permuted_pair(count: int = 40) -> tuple[SpectralShape, SpectralShape, Tensor]:
    """The blob, its permuted copy, p2p_21."""
    mesh = blob()
    copy, p2p = permuted(mesh)
    return prepare(mesh, count), prepare(copy, count), p2p
