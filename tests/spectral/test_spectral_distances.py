"""Spectral distances against their series on the sphere and the flat torus, and their gradients."""

import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.eigen import Eigenbasis
from geokit.spectral.laplacian import laplacian
from geokit.spectral.spectral_distances import (
    distance_gradient,
    embedded_points,
    spectral_distances,
    spectral_embedding,
)


def flat_torus(side: int, reach: int) -> Eigenbasis:
    """The exact eigenfunctions of frequency up to `reach` of the torus of side 2 pi, at side x side places."""
    line = torch.arange(side, dtype=torch.float64) * (2 * math.pi / side)
    x, y = (axis.reshape(-1) for axis in torch.meshgrid(line, line, indexing="ij"))
    values, vectors = [0.0], [torch.full_like(x, 1 / (2 * math.pi))]
    for m in range(reach + 1):
        for n in range(-reach, reach + 1):
            if m == 0 and n <= 0:
                continue
            for wave in (torch.cos, torch.sin):
                values.append(float(m * m + n * n))
                vectors.append(wave(m * x + n * y) / (math.sqrt(2) * math.pi))
    order = torch.argsort(torch.tensor(values, dtype=torch.float64), stable=True)
    masses = torch.full_like(x, (2 * math.pi / side) ** 2)
    eigenvalues = torch.tensor(values, dtype=torch.float64)[order]
    return Eigenbasis(eigenvalues, torch.stack(vectors, 1)[:, order], masses, torch.zeros_like(eigenvalues))


@pytest.mark.parametrize(("kind", "time"), [("biharmonic", None), ("commute", None), ("diffusion", 0.1)])
def test_flat_torus_has_its_series(kind, time):
    """d(0, x)^2 = sum over frequencies of w^2 (1 - cos(k x)) / (2 pi^2)."""
    basis = flat_torus(8, 3)
    embedding = spectral_embedding(basis, kind, time)
    assert embedding.shape == (64, len(basis) - 1)
    found = spectral_distances(embedding, torch.tensor([0]))[0]
    line = torch.arange(8, dtype=torch.float64) * (2 * math.pi / 8)
    wanted = torch.zeros(8, 8, dtype=torch.float64)
    for m in range(-3, 4):
        for n in range(-3, 4):
            square = m * m + n * n
            if square:
                weight = {"biharmonic": 1 / square, "commute": square**-0.5}.get(kind, math.exp(-0.1 * square))
                wave = 1 - (m * line[:, None] + n * line).cos()
                wanted += weight**2 * wave / (2 * math.pi**2)
    torch.testing.assert_close(found, wanted.sqrt().reshape(-1), rtol=1e-12, atol=1e-12)


def ball(rings: int = 24) -> Mesh:
    """A unit sphere by latitudes and longitudes, poles closed."""
    v = torch.arange(1, rings, dtype=torch.float64) * (math.pi / rings)
    u = torch.arange(2 * rings, dtype=torch.float64) * (math.pi / rings)
    v, u = v[:, None], u[None]
    places = torch.stack([v.sin() * u.cos(), v.sin() * u.sin(), v.cos().expand(-1, 2 * rings)], 2).reshape(-1, 3)
    poles = torch.tensor([[0, 0, 1.0], [0, 0, -1]], dtype=torch.float64)
    count, width = len(places), 2 * rings
    i = torch.arange(count).reshape(rings - 1, width)
    a, b, c, d = i[:-1].reshape(-1), i[1:].reshape(-1), i[1:].roll(-1, 1).reshape(-1), i[:-1].roll(-1, 1).reshape(-1)
    top = torch.stack([torch.full((width,), count), i[0], i[0].roll(-1)], 1)
    bottom = torch.stack([torch.full((width,), count + 1), i[-1].roll(-1), i[-1]], 1)
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1), top, bottom])
    return Mesh(torch.cat([places, poles]), faces)


def test_sphere_has_its_series():
    """Biharmonic: d^2 = 2 sum over degrees of (2 l + 1) / (4 pi) (1 - P_l(cos angle)) / (l (l + 1))^2."""
    from scipy.special import eval_legendre

    from geokit.spectral.eigen import eigenbasis

    mesh = ball()
    basis = eigenbasis(laplacian(mesh), 36)
    pole = len(mesh.vertices) - 2
    found = spectral_distances(spectral_embedding(basis), torch.tensor([pole]))[0]
    heights = mesh.vertices[:, 2]
    wanted = torch.zeros_like(heights)
    for degree in range(1, 6):
        legendre = torch.from_numpy(eval_legendre(degree, heights.numpy()))
        wanted += 2 * (2 * degree + 1) / (4 * math.pi) * (1 - legendre) / (degree * (degree + 1)) ** 2
    assert float((found - wanted.clamp(min=0).sqrt()).abs().max()) < 0.02 * float(found.max())


def test_distances_are_a_metric():
    pairs = spectral_distances(spectral_embedding(flat_torus(6, 2)))
    torch.testing.assert_close(pairs, pairs.T, rtol=0, atol=0)
    assert not bool(pairs.diagonal().any())
    assert float((pairs[:, None] - pairs[:, :, None] - pairs[None]).max()) < 1e-12


def places(mesh: Mesh, count: int):
    generator = torch.Generator().manual_seed(0)
    faces = torch.randint(len(mesh), (count,), generator=generator)
    weights = torch.rand(count, 3, generator=generator, dtype=torch.float64) + 0.1
    return faces, weights / weights.sum(1, keepdim=True)


def test_gradients_inside_faces():
    mesh = ball(6)
    embedding = torch.randn(len(mesh.vertices), 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    faces, weights = places(mesh, 4)
    targets = embedding[:4]
    _, gradients = distance_gradient(mesh, embedding, faces, weights, targets)
    assert float((gradients * mesh.face_normals()[faces]).sum(1).abs().max()) < 1e-12
    # Along each edge the distance changes as the gradient says.
    step = 1e-6
    for corner in range(3):
        moved = weights.clone()
        moved[:, corner] += step
        moved[:, (corner + 1) % 3] -= step
        here, there = (
            (embedded_points(mesh, embedding, faces, w) - targets).norm(dim=1) for w in (2 * weights - moved, moved)
        )
        edge = mesh.corners[faces, corner] - mesh.corners[faces, (corner + 1) % 3]
        torch.testing.assert_close((there - here) / (2 * step), (gradients * edge).sum(1), rtol=1e-6, atol=1e-7)


def test_gradcheck():
    mesh = ball(4)
    embedding = torch.randn(
        len(mesh.vertices), 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    ).requires_grad_()
    faces, weights = places(mesh, 3)
    weights.requires_grad_()
    targets = torch.zeros(3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda e, w: embedded_points(mesh, e, faces, w), (embedding, weights))
    assert torch.autograd.gradcheck(lambda e, w: distance_gradient(mesh, e, faces, w, targets), (embedding, weights))
    distances = distance_gradient(mesh, embedding.detach(), faces, weights.detach(), embedding.detach()[:3])[0]
    assert bool((distances > 0).all())


def test_no_distance_has_no_direction():
    mesh = ball(4)
    embedding = mesh.vertices
    faces, weights = torch.tensor([0]), torch.tensor([[1.0, 0, 0]], dtype=torch.float64)
    distances, gradients = distance_gradient(mesh, embedding, faces, weights, embedding[mesh.faces[0, :1]])
    assert not bool(distances.any())
    assert not bool(gradients.any())


def test_what_cannot_be_is_refused():
    basis = flat_torus(4, 1)
    for arguments, words in (
        (("graph",), "kind must be one of"),
        (("diffusion",), "positive time"),
        (("diffusion", -1.0), "positive time"),
        (("biharmonic", 1.0), "positive time"),
    ):
        with pytest.raises(InvalidInput, match=words):
            spectral_embedding(basis, *arguments)
    with pytest.raises(InvalidInput, match="all constant"):
        spectral_embedding(basis.first(1))
