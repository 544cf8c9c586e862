"""A sphere by latitude and longitude, closed or cut open."""

import math

import torch

from geokit.geometry.mesh import Mesh


def sphere(rings=24, columns=48, radius=1.0, dtype=torch.float64, open_from=None):
    """A closed sphere of latitude and longitude; without the rings from `open_from` on, if given."""
    theta = torch.linspace(0, math.pi, rings + 1, dtype=dtype)[1:-1]
    phi = torch.arange(columns, dtype=dtype) * (2 * math.pi / columns)
    ring = torch.stack([phi.cos(), phi.sin(), torch.zeros_like(phi)], 1)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=dtype)
    body = theta.sin()[:, None, None] * ring + theta.cos()[:, None, None] * up
    vertices = radius * torch.cat([up[None], body.reshape(-1, 3), -up[None]])
    i = torch.arange(columns)
    j = (i + 1) % columns
    faces = [torch.stack([torch.zeros_like(i), 1 + i, 1 + j], 1)]
    for row in range(rings - 2):
        a, b = 1 + row * columns, 1 + (row + 1) * columns
        faces += [torch.stack([a + i, b + i, b + j], 1), torch.stack([a + i, b + j, a + j], 1)]
    last = 1 + (rings - 2) * columns
    faces.append(torch.stack([last + i, torch.full_like(i, len(vertices) - 1), last + j], 1))
    kept = torch.cat(faces)
    return Mesh(vertices, kept if open_from is None else kept[: columns * (2 * open_from - 1)])
