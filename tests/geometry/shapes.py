"""Small shapes with known answers."""

import math

import torch
from torch import Tensor

from geokit.geometry.mesh import Mesh


def tetrahedron(dtype: torch.dtype = torch.float64) -> Mesh:
    """The corner of the unit cube: volume 1/6."""
    vertices = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=dtype)
    return Mesh(vertices, torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


def grid(rows: int, columns: int, wrap_rows: bool = False, wrap_columns: bool = False) -> Tensor:
    """(F, 3) faces of a grid of rows x columns vertices, closed in either direction on wish."""
    r = torch.arange(rows if wrap_rows else rows - 1)
    c = torch.arange(columns if wrap_columns else columns - 1)
    r, c = (value.reshape(-1) for value in torch.meshgrid(r, c, indexing="ij"))
    down, right = (r + 1) % rows, (c + 1) % columns
    a, b, d, e = r * columns + c, r * columns + right, down * columns + right, down * columns + c
    return torch.cat((torch.stack((a, b, d), 1), torch.stack((a, d, e), 1)))


def torus(rows: int = 12, columns: int = 8, major: float = 2.0, minor: float = 0.5) -> Mesh:
    """A torus around z, its faces looking outward."""
    u = torch.arange(rows, dtype=torch.float64)[:, None] * (2 * math.pi / rows)
    v = torch.arange(columns, dtype=torch.float64)[None] * (2 * math.pi / columns)
    ring = major + minor * v.cos()
    places = torch.stack((ring * u.cos(), ring * u.sin(), minor * v.sin().expand(rows, -1)), dim=-1)
    return Mesh(places.reshape(-1, 3), grid(rows, columns, True, True).flip(1))


def sphere(subdivisions: int = 3, radius: float = 1.0) -> Mesh:
    """An icosahedron whose faces were cut in four `subdivisions` times, vertices on the sphere, looking outward."""
    g = (1 + math.sqrt(5)) / 2
    corners = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g), (0, -1, -g), (0, 1, -g)]
    corners += [(g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6)]
    faces += [(7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10)]
    faces += [(8, 6, 7), (9, 8, 1)]
    v, f = torch.tensor(corners, dtype=torch.float64), torch.tensor(faces)
    for _ in range(subdivisions):
        pairs = torch.stack((f, f.roll(-1, 1)), dim=2).reshape(-1, 2).sort(dim=1).values
        edges, inverse = torch.unique(pairs, dim=0, return_inverse=True)
        m = inverse.reshape(-1, 3) + len(v)
        v = torch.cat((v, v[edges].mean(1)))
        a, b, c = f.unbind(1)
        ab, bc, ca = m.unbind(1)
        f = torch.cat([torch.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    return Mesh(radius * v / v.norm(dim=1, keepdim=True), f)
