import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.geometry.mesh import Mesh
from geokit.spectral.laplacian import cotangent_laplacian
from tests.geometry.shapes import grid, sphere, torus


def test_one_right_angled_triangle():
    mesh = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.float64), torch.tensor([[0, 1, 2]]))
    got = cotangent_laplacian(mesh)
    want = torch.tensor([[1, -0.5, -0.5], [-0.5, 0.5, 0], [-0.5, 0, 0.5]], dtype=torch.float64)
    assert torch.allclose(got.stiffness.dense(), want)
    assert torch.allclose(got.masses, torch.full((3,), 1 / 6, dtype=torch.float64))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(1e-6, 1e6))
def test_symmetric_semi_definite_constants_in_the_null_space(seed, scale):
    vertices = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale
    got = cotangent_laplacian(Mesh(vertices, grid(4, 3)))
    dense = got.stiffness.dense()
    size = float(dense.abs().max())
    assert torch.equal(dense, dense.T)
    assert float(dense.sum(1).abs().max()) < 1e-12 * size
    assert float(torch.linalg.eigvalsh(dense)[0]) > -1e-10 * size
    assert float(got.masses.min()) > 0


def test_coordinates_on_the_sphere_are_eigenfunctions():
    """L x = 2 x: the integral of its square is (16 / 3) pi, to second order in the size of the faces."""
    errors = []
    for level in (2, 3, 4):
        mesh = sphere(level)
        got = cotangent_laplacian(mesh)
        applied = got.stiffness @ mesh.vertices
        energy = (applied.square() / got.masses[:, None]).sum(0)
        errors.append(float((energy / (16 * math.pi / 3) - 1).abs().max()))
        assert math.isclose(float((mesh.vertices * applied).sum()), 2 * mesh.area(), rel_tol=1e-12)
    assert errors[2] < 5e-3
    assert errors[0] / errors[1] > 3.5
    assert errors[1] / errors[2] > 3.5


def test_linear_functions_are_harmonic_inside_a_flat_patch():
    vertices = torch.rand(30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vertices[:, 2] = 0
    i, j = torch.arange(30) // 6, torch.arange(30) % 6
    vertices[:, 0], vertices[:, 1] = i + 0.3 * vertices[:, 0], j + 0.3 * vertices[:, 1]
    applied = cotangent_laplacian(Mesh(vertices, grid(5, 6))).stiffness @ vertices
    inside = (i > 0) & (i < 4) & (j > 0) & (j < 5)
    assert float(applied[inside].abs().max()) < 1e-12


def test_gradients():
    mesh = torus(4, 3)

    def operator(vertices):
        got = cotangent_laplacian(Mesh(vertices, mesh.faces))
        return got.stiffness.values, got.masses

    assert torch.autograd.gradcheck(operator, mesh.vertices.clone().requires_grad_())


@pytest.mark.parametrize("flat", ["line", "pair", "point"])
def test_flat_faces_give_finite_values_and_gradients(flat):
    """A square of two faces, between which lies a third without area."""
    middle = {"line": [0.5, 0.5, 0], "pair": [1.0, 0, 0], "point": [1.0, 0, 0]}[flat]
    places = [[0, 1, 0], [0, 0, 0], [1, 0, 0], middle, [1, 1, 0]]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [3, 2, 4]])
    if flat == "point":
        places[2], places[3] = places[0], places[0]
        faces = torch.tensor([[0, 1, 4], [0, 2, 3]])
    vertices = torch.tensor(places, dtype=torch.float64, requires_grad=True)
    got = cotangent_laplacian(Mesh(vertices, faces))
    assert bool(torch.isfinite(got.stiffness.values).all())
    assert bool((got.masses > 0).all())
    dense = got.stiffness.dense().detach()
    assert float(torch.linalg.eigvalsh(dense)[0]) > -1e-14 * float(dense.abs().max())
    (got.stiffness.values.square().sum() + got.masses.sum()).backward()
    assert bool(torch.isfinite(vertices.grad).all())


def test_scaling_permutation_and_rigid_motion():
    mesh = torus(6, 5)
    got = cotangent_laplacian(mesh)
    order = torch.randperm(len(mesh.vertices), generator=torch.Generator().manual_seed(1))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))[0]
    moved = Mesh((3 * mesh.vertices @ turn.T + 7)[order], place[mesh.faces])
    other = cotangent_laplacian(moved)
    assert torch.allclose(other.stiffness.dense(), got.stiffness.dense()[order][:, order], atol=1e-11)
    assert torch.allclose(other.masses, 9 * got.masses[order])
