import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.gradients import divergence, face_gradients, tangent_frames, vertex_gradients
from geokit.spectral.laplacian import cotangent_laplacian
from tests.geometry.shapes import grid, sphere


def plane(seed: int = 0) -> Mesh:
    """An irregular flat square in a random plane."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.cartesian_prod(torch.arange(8), torch.arange(8)).double()
    places = places + 0.4 * torch.rand(64, 2, generator=generator, dtype=torch.float64)
    vertices = torch.nn.functional.pad(places, (0, 1))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    return Mesh(vertices @ (turn * torch.linalg.det(turn)).T, grid(8, 8))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_linear_functions_on_a_plane_have_their_exact_gradient(seed):
    mesh = plane(seed)
    slope = torch.randn(3, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found, values = vertex_gradients(mesh), mesh.vertices @ slope
    normal = mesh.vertex_normals()[0]
    wanted = (slope - torch.outer(normal, normal @ slope)).T
    assert torch.allclose(found.vectors(found(values)), wanted.expand(len(found), 2, 3), atol=1e-12)
    assert torch.allclose(face_gradients(mesh, values), wanted.expand(len(mesh), 2, 3), atol=1e-12)


def test_frames_are_right_handed_with_the_outward_normal():
    mesh = sphere(3).to(torch.float64)
    found = vertex_gradients(mesh)
    basis = torch.cat((found.frames, found.normals[:, None]), dim=1)
    assert torch.allclose(basis @ basis.mT, torch.eye(3).double().expand(len(found), 3, 3), atol=1e-14)
    assert torch.allclose(torch.linalg.det(basis), torch.ones(len(found)).double())
    assert bool(((found.normals * mesh.vertices).sum(1) > 0.9).all())


def test_gradients_on_a_sphere_converge():
    errors = []
    for level in (2, 3, 4):
        mesh = sphere(level).to(torch.float64)
        points = torch.nn.functional.normalize(mesh.vertices, dim=1)
        x, y, z = points.T
        wanted = torch.stack((y, x, 3 * torch.cos(3 * z)), dim=1)
        wanted -= (wanted * points).sum(1, keepdim=True) * points
        found = vertex_gradients(Mesh(points, mesh.faces))
        got = found.vectors(found(x * y + torch.sin(3 * z)))
        errors.append(float((got - wanted).norm() / wanted.norm()))
    assert errors[2] < 0.01
    assert errors[1] < errors[0] / 3
    assert errors[2] < errors[1] / 3


def test_a_function_and_its_turned_copy_have_turned_gradients():
    mesh = sphere(2).to(torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64))[0]
    turn = turn * torch.linalg.det(turn)
    values = torch.sin(3 * mesh.vertices[:, 0]) * mesh.vertices[:, 1]
    here, there = vertex_gradients(mesh), vertex_gradients(Mesh(mesh.vertices @ turn.T, mesh.faces))
    assert torch.allclose(here.vectors(here(values)) @ turn.T, there.vectors(there(values)), atol=1e-12)


def test_the_divergence_of_the_gradient_is_the_laplacian():
    mesh = sphere(2).to(torch.float64)
    values = torch.randn(len(mesh.vertices), 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    got = divergence(mesh, face_gradients(mesh, values))
    assert torch.allclose(got, -(cotangent_laplacian(mesh).stiffness @ values), atol=1e-12)


def test_shapes_without_directions_have_zero_gradients():
    vertices = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, 0, 0], [9, 9, 9], [0, 0, 0]], dtype=torch.float64)
    # A good face, one on a line, one whose corners coincide, one that names a vertex twice; vertex 4 has no face.
    mesh = Mesh(vertices, torch.tensor([[0, 1, 2], [0, 3, 1], [0, 5, 0], [3, 3, 1]]))
    found = vertex_gradients(mesh)
    got = found(vertices[:, 0])
    assert bool(torch.isfinite(got).all())
    assert bool(torch.isfinite(found.frames).all())
    assert got[4].tolist() == [0, 0]
    assert torch.allclose(found.vectors(got)[0], torch.tensor([1.0, 0, 0]).double())
    # Vertex 3 has neighbours along a line only: the slope along it is known.
    assert torch.allclose(found.vectors(got)[3], torch.tensor([1.0, 0, 0]).double())
    faces = face_gradients(mesh, vertices[:, 0])
    assert torch.allclose(faces, torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]).double())


def test_constants_have_no_gradient():
    found = vertex_gradients(sphere(2))
    assert float(found(torch.full((len(found),), 7.0).double()).abs().max()) < 1e-12


def test_gradients_pass_gradcheck():
    mesh = plane(1)
    found = vertex_gradients(mesh)
    values = torch.randn(len(found), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(found, (values,), fast_mode=True)

    def both(vertices, values):
        moved = Mesh(vertices, mesh.faces)
        return divergence(moved, face_gradients(moved, values).tanh())

    assert torch.autograd.gradcheck(both, (mesh.vertices.requires_grad_(), values), fast_mode=True)


def test_wrong_arguments_are_named():
    mesh = sphere(1).to(torch.float64)
    with pytest.raises(InvalidInput, match="values must have one row for each of the"):
        face_gradients(mesh, torch.zeros(5))
    with pytest.raises(InvalidInput, match="vectors must have one row for each of the"):
        divergence(mesh, torch.zeros(5, 3))
    with pytest.raises(InvalidInput, match="normals must have shape"):
        tangent_frames(torch.zeros(4, 2))
