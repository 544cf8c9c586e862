import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.connection import connection_laplacian
from geokit.spectral.eigen import eigenbasis
from geokit.spectral.laplacian import cotangent_laplacian
from tests.geometry.shapes import grid, sphere, torus


def complex_form(matrix: torch.Tensor) -> torch.Tensor:
    return torch.complex(matrix[0::2, 0::2], matrix[1::2, 0::2])


def test_on_a_flat_patch_it_is_the_scalar_one():
    flat = torch.rand(30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.4
    flat[:, :2] += torch.cartesian_prod(torch.arange(6.0), torch.arange(5.0))
    flat[:, 2] = 0
    mesh = Mesh(flat, grid(6, 5).flip(1))
    got = connection_laplacian(mesh)
    scalar = cotangent_laplacian(mesh)
    dense = got.laplacian.stiffness.dense()
    same_frames = got.frames[0].expand_as(got.frames)
    assert torch.allclose(got.frames, same_frames, atol=1e-12)
    assert torch.allclose(dense[0::2, 0::2], scalar.stiffness.dense(), atol=1e-10)
    assert float(dense[0::2, 1::2].abs().max()) < 1e-10
    assert torch.equal(got.laplacian.masses[0::2], scalar.masses)


def test_spectrum_of_the_sphere():
    """That of the Bochner Laplacian: l (l + 1) - 1, each 2 (2 l + 1) times."""
    values = eigenbasis(connection_laplacian(sphere(4)).laplacian, 48).eigenvalues
    want = torch.tensor([1] * 6 + [5] * 10 + [11] * 14 + [19] * 18, dtype=torch.float64)
    assert torch.allclose(values, want, rtol=0.015)


def test_the_smoothest_fields_of_the_sphere_are_those_of_rotations_and_gradients():
    mesh = sphere(4)
    got = connection_laplacian(mesh)
    basis = eigenbasis(got.laplacian, 6)
    axis = torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64)
    for field in (torch.linalg.cross(axis.expand_as(mesh.vertices), mesh.vertices), axis.expand_as(mesh.vertices)):
        components = got.components(field)
        left = components - basis.synthesize(basis.project(components))
        assert float(left.norm() / components.norm()) < 5e-3


def test_real_form_symmetric_semi_definite():
    mesh = torus(10, 6, minor=1.0)
    dense = connection_laplacian(mesh).laplacian.stiffness.dense()
    assert torch.allclose(dense, dense.T, atol=1e-14)
    assert torch.allclose(dense[0::2, 0::2], dense[1::2, 1::2])
    assert torch.allclose(dense[0::2, 1::2], -dense[1::2, 0::2])
    values = torch.linalg.eigvalsh(dense)
    assert float(values[0]) > 0
    assert torch.allclose(values[0::2], values[1::2])


def test_other_frames_are_the_same_operator():
    mesh = torus(10, 6)
    got = connection_laplacian(mesh)
    angle = torch.rand(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 7
    x, y = got.frames.unbind(1)
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    turned = connection_laplacian(mesh, torch.stack([c * x + s * y, c * y - s * x], 1))
    phase = torch.polar(torch.ones_like(angle), -angle)
    want = phase[:, None] * complex_form(got.laplacian.stiffness.dense()) * phase.conj()
    assert torch.allclose(complex_form(turned.laplacian.stiffness.dense()), want, atol=1e-12)
    field = torch.randn(60, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    vectors = got.vectors(got.components(field))
    assert torch.allclose(turned.vectors(turned.components(field)), vectors, atol=1e-12)
    applied = [one.vectors(one.laplacian.stiffness @ one.components(field)) for one in (got, turned)]
    assert torch.allclose(applied[0], applied[1], atol=1e-10)


def test_a_moved_mesh_has_moved_fields():
    mesh = torus(10, 6)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))[0]
    turn[:, 0] *= torch.linalg.det(turn).sign()
    field = torch.randn(60, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one, two = connection_laplacian(mesh), connection_laplacian(Mesh(mesh.vertices @ turn.T + 3, mesh.faces))
    applied = one.vectors(one.laplacian.stiffness @ one.components(field))
    moved = two.vectors(two.laplacian.stiffness @ two.components(field @ turn.T))
    assert torch.allclose(moved, applied @ turn.T, atol=1e-10)


def test_agrees_with_the_peer():
    peer = pytest.importorskip("potpourri3d")
    for mesh in (sphere(2), torus(14, 9)):
        solver = peer.MeshVectorHeatSolver(mesh.vertices.numpy(), mesh.faces.numpy(), use_intrinsic_delaunay=False)
        want = torch.from_numpy(solver.get_connection_laplacian().toarray())
        got = complex_form(connection_laplacian(mesh).laplacian.stiffness.dense())
        assert torch.allclose(got.abs(), want.abs(), atol=1e-12)
        assert torch.allclose(torch.linalg.eigvalsh(got), torch.linalg.eigvalsh(want), atol=1e-11)
        a, b, c = mesh.faces.unbind(1)  # what a turn around a face does, in any frames
        around = [m[a, b] * m[b, c] * m[c, a] for m in (got, want)]
        assert torch.allclose(around[0], around[1], atol=1e-12)


@pytest.mark.parametrize("broken", ["three faces", "turned", "two fans"])
def test_what_is_no_oriented_manifold_is_told(broken):
    mesh = sphere(1)
    faces = mesh.faces.clone()
    if broken == "three faces":
        faces = torch.cat([faces, faces[:1].flip(1)])
    elif broken == "turned":
        faces[3] = faces[3].flip(0)
    else:
        faces[faces == 40] = 3
    with pytest.raises(InvalidInput, match="repair"):
        connection_laplacian(Mesh(mesh.vertices, faces))


def test_angles_add_up_to_the_curvature():
    """The phase that a vector gains around all faces of a sphere adds up to 4 pi, of either sign (Gauss, Bonnet)."""
    mesh = sphere(2)
    form = complex_form(connection_laplacian(mesh).laplacian.stiffness.dense())
    a, b, c = mesh.faces.unbind(1)
    gained = -(-form[a, b] * -form[b, c] * -form[c, a]).angle()
    assert math.isclose(abs(float(gained.sum())), 4 * math.pi, rel_tol=1e-9)
