import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.boundary import boundary_vertices, dirichlet, harmonic
from geokit.spectral.eigen import eigenbasis
from geokit.spectral.laplacian import laplacian
from tests.geometry.shapes import grid, torus


def square(count: int) -> Mesh:
    flat = torch.cartesian_prod(*[torch.linspace(0, 1, count, dtype=torch.float64)] * 2)
    return Mesh(torch.cat([flat, torch.zeros(len(flat), 1, dtype=torch.float64)], 1), grid(count, count))


def disk(rings: int) -> Mesh:
    places, faces = [[0.0, 0.0, 0.0]], [[0, 1 + i, 1 + (i + 1) % 6] for i in range(6)]
    start = 1
    for ring in range(1, rings + 1):
        places += [
            [ring / rings * math.cos(a), ring / rings * math.sin(a), 0]
            for a in (2 * math.pi * i / (6 * ring) for i in range(6 * ring))
        ]
        if ring < rings:
            outer, sizes = start + 6 * ring, (6 * ring, 6 * ring + 6)
            for side in range(6):
                for k in range(ring + 1):
                    a = start + (side * ring + k) % sizes[0]
                    b, c = (outer + (side * (ring + 1) + k + d) % sizes[1] for d in (0, 1))
                    faces.append([a, b, c])
                    if k < ring:
                        faces.append([a, c, start + (side * ring + k + 1) % sizes[0]])
        start += 6 * ring
    return Mesh(torch.tensor(places, dtype=torch.float64), torch.tensor(faces))


def test_spectrum_of_a_square_with_a_fixed_rim():
    want = sorted(math.pi**2 * (m * m + n * n) for m in range(1, 8) for n in range(1, 8))[:8]
    errors = []
    for count in (17, 33):
        mesh = square(count)
        got = dirichlet(laplacian(mesh), boundary_vertices(mesh))
        values = eigenbasis(got.laplacian, 8).eigenvalues
        errors.append(float((values / torch.tensor(want) - 1).abs().max()))
    assert errors[1] < 0.01
    assert errors[0] / errors[1] > 3.4  # second order


def test_spectrum_of_a_square_with_a_free_rim():
    want = sorted(math.pi**2 * (m * m + n * n) for m in range(8) for n in range(8))[:8]
    values = eigenbasis(laplacian(square(33)), 8).eigenvalues
    assert torch.allclose(values, torch.tensor(want, dtype=torch.float64), rtol=0.01, atol=1e-8)


def test_spectrum_of_a_disk_with_a_fixed_rim():
    """Squares of the zeros of Bessel functions."""
    mesh = disk(24)
    got = dirichlet(laplacian(mesh), boundary_vertices(mesh))
    want = torch.tensor([2.404826, 3.831706, 3.831706, 5.135622, 5.135622, 5.520078], dtype=torch.float64) ** 2
    basis = eigenbasis(got.laplacian, 6)
    assert torch.allclose(basis.eigenvalues, want, rtol=0.01)
    functions = got.extend(basis.eigenvectors)
    assert functions.shape == (len(mesh.vertices), 6)
    assert not bool(functions[boundary_vertices(mesh)].any())
    assert torch.equal(functions[got.free], basis.eigenvectors)


def test_harmonic_functions():
    """Linear ones are reproduced, others stay between their values at the rim."""
    mesh = square(9)
    rim = boundary_vertices(mesh)
    assert len(rim) == 32
    linear = mesh.vertices @ torch.tensor([[2.0], [-3.0], [0.0]], dtype=torch.float64) + 1
    assert torch.allclose(harmonic(laplacian(mesh), rim, linear[rim]), linear, atol=1e-12)
    values = torch.rand(len(rim), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = harmonic(laplacian(mesh), rim, values)
    assert found.shape == (81,)
    assert float(found.min()) >= float(values.min()) - 1e-12
    assert float(found.max()) <= float(values.max()) + 1e-12


def test_closed_meshes_have_no_rim_and_bad_arguments_are_told():
    mesh = torus()
    assert len(boundary_vertices(mesh)) == 0
    operator = laplacian(mesh)
    with pytest.raises(InvalidInput, match="there are 96"):
        dirichlet(operator, torch.tensor([96]))
    with pytest.raises(InvalidInput, match="all 96"):
        dirichlet(operator, torch.arange(96))
    with pytest.raises(InvalidInput, match="values"):
        harmonic(operator, torch.arange(3), torch.zeros(2, dtype=torch.float64))
