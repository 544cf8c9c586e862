"""Meshes that the viewer's tests look at."""

import numpy as np
import torch
import trimesh

from geokit.geometry import Mesh


def mesh_of(made: trimesh.Trimesh) -> Mesh:
    """A mesh of trimesh as one of geokit."""
    return Mesh(torch.tensor(np.asarray(made.vertices)), torch.tensor(np.asarray(made.faces, dtype=np.int64)))


def ball(radius: float = 1.0, subdivisions: int = 3, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    """A ball."""
    mesh = mesh_of(trimesh.creation.icosphere(subdivisions, radius))
    return mesh.replace(vertices=mesh.vertices + torch.tensor(center))


def bean() -> Mesh:
    """A closed shape without symmetries, so that eigenfunctions are simple."""
    mesh = ball()
    x, y, z = mesh.vertices.unbind(1)
    return mesh.replace(vertices=torch.stack([1.6 * x + 0.3 * z * z, 1.1 * y + 0.2 * x * y, 0.8 * z], 1))
