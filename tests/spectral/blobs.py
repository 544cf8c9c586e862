"""Coarse closed surfaces without symmetry, made in a moment."""

import torch

from geokit.geometry.mesh import Mesh


def sphere(levels: int = 3) -> Mesh:
    """The icosahedron with every face cut in four `levels` times, on the unit sphere: 642 vertices at 3."""
    golden = (1 + 5**0.5) / 2
    corners = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    vertices = torch.tensor([p[i:] + p[:i] for i in (0, 2, 1) for p in corners], dtype=torch.float64)
    distance = torch.cdist(vertices, vertices)
    near = (distance > 0) & (distance < 2.1)
    faces = [
        (i, j, k)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    mesh = outward(Mesh(vertices, torch.tensor(faces)))
    for _ in range(levels):
        mesh = subdivided(mesh)
    return Mesh(mesh.vertices / mesh.vertices.norm(dim=1, keepdim=True), mesh.faces)


def outward(mesh: Mesh) -> Mesh:
    """Faces of a star-shaped mesh about the origin, turned to look outward."""
    a, b, c = mesh.corners.unbind(1)
    inward = (torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(1) < 0
    return Mesh(mesh.vertices, torch.where(inward[:, None], mesh.faces.flip(1), mesh.faces))


def subdivided(mesh: Mesh) -> Mesh:
    """Every face cut in four at the middles of its edges; the given vertices keep their numbers."""
    i, j, count = mesh.faces.reshape(-1), mesh.faces.roll(-1, dims=1).reshape(-1), len(mesh.vertices)
    keys, edge = torch.unique(torch.minimum(i, j) * count + torch.maximum(i, j), return_inverse=True)
    middles = (mesh.vertices[keys // count] + mesh.vertices[keys % count]) / 2
    (a, b, c), (ab, bc, ca) = mesh.faces.unbind(1), (edge + count).reshape(-1, 3).unbind(1)
    parts = ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))
    return Mesh(torch.cat([mesh.vertices, middles]), torch.cat([torch.stack(part, 1) for part in parts]))


def blob(levels: int = 3, seed: int = 0) -> Mesh:
    """A sphere with five bumps of different heights in random directions."""
    ball = sphere(levels)
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    centres = centres / centres.norm(dim=1, keepdim=True)
    heights = torch.tensor([1.6, 1.1, 0.8, 0.6, 0.4], dtype=torch.float64)
    bumps = torch.exp(-(ball.vertices @ centres.T - 1).abs() / 0.12)
    return Mesh(ball.vertices * (1 + bumps @ heights)[:, None], ball.faces)


def permuted(mesh: Mesh, seed: int = 1) -> tuple[Mesh, torch.Tensor]:
    """The mesh with its vertices and faces in another order, and the old number of each new vertex."""
    generator = torch.Generator().manual_seed(seed)
    old = torch.randperm(len(mesh.vertices), generator=generator)
    new = torch.argsort(old)
    faces = new[mesh.faces][torch.randperm(len(mesh), generator=generator)]
    return Mesh(mesh.vertices[old], faces), old
