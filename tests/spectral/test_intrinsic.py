import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geokit.backend import intrinsic_ops
from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.intrinsic import intrinsic_triangulation
from geokit.spectral.laplacian import Laplacian, cotangent_laplacian, laplacian, robust_laplacian
from geokit.spectral.operator import laplacian_of_faces
from tests.geometry.shapes import grid, sphere, torus
from tests.reference import intrinsic as reference


def of_triangles(places, faces) -> Mesh:
    return Mesh(torch.as_tensor(places, dtype=torch.float64), torch.as_tensor(faces))


def random_soup(seed: int, vertices: int = 9, faces: int = 14) -> Mesh:
    """Faces through any three vertices: edges of many faces, disagreeing orientations, several components."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.stack([torch.randperm(vertices, generator=generator)[:3] for _ in range(faces)])
    return Mesh(torch.randn(vertices, 3, generator=generator, dtype=torch.float64), chosen)


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix - torch.diag(matrix.diagonal())


def check_laws(got: Laplacian) -> None:
    dense = got.stiffness.dense()
    size = float(dense.abs().max())
    assert float((dense - dense.T).abs().max()) <= 1e-13 * size
    assert float(dense.sum(1).abs().max()) <= 1e-12 * size
    assert float(off_diagonal(dense).max()) <= 1e-9  # the maximum principle
    assert float(torch.linalg.eigvalsh(dense)[0]) >= -1e-12 * size
    assert float(got.masses.min()) > 0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_equals_the_obvious_reference_on_soups(seed):
    mesh = random_soup(seed)
    faces, glue = reference.cover(mesh.faces.tolist(), mesh.vertices)
    corners = mesh.vertices[torch.tensor(faces)]
    lengths = (corners.roll(-1, 1) - corners).norm(dim=2).tolist()
    reference.delaunay(faces, lengths, glue)
    dense, masses = torch.zeros(9, 9, dtype=torch.float64), torch.zeros(9, dtype=torch.float64)
    for face, sides in zip(faces, lengths):
        half = sum(sides) / 2
        area = math.sqrt(half * math.prod(half - side for side in sides))
        for s, weight in enumerate(reference.cotangents(sides)):
            i, j = face[s], face[(s + 1) % 3]
            masses[face[s]] += area / 6
            for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
                dense[a, b] += sign * weight / 4
    found, _, weights, doubled = intrinsic_ops.intrinsic_delaunay(mesh.vertices, mesh.faces, 0.0)
    got = laplacian_of_faces(found, weights / 2, doubled / 2, 9)
    used = masses > 0
    assert torch.allclose(got.stiffness.dense(), dense, atol=1e-6, rtol=1e-6)
    assert torch.allclose(got.masses[used], masses[used], rtol=1e-6)
    check_laws(robust_laplacian(mesh))


def test_a_delaunay_mesh_keeps_its_cotangent_laplacian():
    mesh = sphere(2)
    got, want = robust_laplacian(mesh), cotangent_laplacian(mesh)
    assert intrinsic_triangulation(mesh).sheets == 1
    assert torch.allclose(got.stiffness.dense(), want.stiffness.dense(), atol=1e-12)
    assert torch.allclose(got.masses, want.masses, rtol=1e-12)


def test_one_sheet_and_two_give_the_same():
    """A face that is turned over asks for the cover; the surface is the same."""
    mesh = torus(9, 7, minor=1.2)
    turned = mesh.faces.clone()
    turned[5] = turned[5].flip(0)
    one, two = robust_laplacian(mesh), robust_laplacian(Mesh(mesh.vertices, turned))
    assert intrinsic_triangulation(Mesh(mesh.vertices, turned)).sheets == 2
    assert torch.allclose(one.stiffness.dense(), two.stiffness.dense(), atol=1e-12)
    assert torch.allclose(one.masses, two.masses)


def test_the_flip_of_a_square_cut_along_its_long_diagonal():
    """A rhombus cut along its long diagonal: only the short one has a weight, and the sheets close at the rim."""
    mesh = of_triangles([[-2, 0, 0], [0, -1, 0], [2, 0, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    dense = robust_laplacian(mesh).stiffness.dense()
    # the angles of the faces 1 3 0 and 1 3 2: cotangents 3 / 4 at 0 and 2, 1 / 2 at 1 and 3
    assert math.isclose(-float(dense[1, 3]), 0.75, abs_tol=1e-12)
    assert math.isclose(-float(dense[0, 2]), 0, abs_tol=1e-12)
    assert math.isclose(-float(dense[0, 1]), 0.25, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("places", "faces"),
    [
        ([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, -1, 0]], [[0, 1, 2], [0, 1, 3], [1, 0, 4]]),
        ([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, 1, 0]], [[0, 1, 2], [0, 3, 4]]),
        ([[0, 0, 0], [4, 0, 0], [1, 0.1, 0]], [[0, 1, 2]]),
        ([[0, 0, 0], [2, 0, 0], [1, 0, 0]], [[0, 1, 2]]),
        ([[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2], [1, 3, 2]]),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2], [0, 1, 2], [0, 2, 1]]),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 1, 2]]),
        ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], [[0, 1, 2]]),
    ],
    ids=["three faces on an edge", "bow-tie", "obtuse face", "line", "twice a place", "thrice a face", "pair", "point"],
)
def test_broken_meshes_obey_the_laws(places, faces):
    got = robust_laplacian(of_triangles(places, faces))
    if got.area == 0:
        assert not bool(got.stiffness.values.any())
    else:
        check_laws(got)


def test_a_moebius_strip():
    """Its cover is an annulus of twice the length, whose Laplacian does not care which way its faces were turned."""
    around, across = 30, 4
    angle = torch.arange(around, dtype=torch.float64) * (2 * math.pi / around)
    width = torch.linspace(-0.4, 0.4, across, dtype=torch.float64)
    u, w = torch.meshgrid(angle, width, indexing="ij")
    ring = 1 + w * (u / 2).cos()
    places = torch.stack((ring * u.cos(), ring * u.sin(), w * (u / 2).sin()), -1).reshape(-1, 3)
    faces = grid(around + 1, across)
    last = faces >= around * across  # the last row is the first one turned around
    faces = torch.where(last, across - 1 - (faces - around * across), faces)
    got = robust_laplacian(Mesh(places, faces))
    check_laws(got)
    assert int((torch.linalg.eigvalsh(got.stiffness.dense()) < 1e-9).sum()) == 1
    turn = torch.rand(len(faces), generator=torch.Generator().manual_seed(0)) < 0.5
    other = robust_laplacian(Mesh(places, torch.where(turn[:, None], faces.flip(1), faces)))
    assert torch.allclose(other.stiffness.dense(), got.stiffness.dense(), atol=1e-10)


def test_every_component_has_its_constants():
    one = sphere(1)
    mesh = Mesh(
        torch.cat([one.vertices, one.vertices + 3, torch.full((2, 3), 9.0, dtype=torch.float64)]),
        torch.cat([one.faces, one.faces + len(one.vertices)]),
    )
    got = laplacian(mesh)
    assert int((torch.linalg.eigvalsh(got.stiffness.dense()) < 1e-9).sum()) == 4  # two pieces, two lone vertices
    assert float(got.masses.min()) > 0


def test_order_motion_and_scale():
    mesh = random_soup(5)
    got = robust_laplacian(mesh)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(mesh.vertices), generator=generator)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    turn[:, 0] *= torch.linalg.det(turn).sign()
    faces = place[mesh.faces][torch.randperm(len(mesh), generator=generator)].roll(1, 1)
    moved = robust_laplacian(Mesh((1e3 * mesh.vertices @ turn.T + 7)[order], faces))
    assert torch.allclose(moved.stiffness.dense(), got.stiffness.dense()[order][:, order], atol=1e-6)
    assert torch.allclose(moved.masses, 1e6 * got.masses[order], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_tiny_and_huge_shapes(scale):
    mesh = torus(8, 6)
    got, want = robust_laplacian(Mesh(mesh.vertices * scale, mesh.faces)), robust_laplacian(mesh)
    assert torch.allclose(got.stiffness.dense(), want.stiffness.dense(), atol=1e-10)
    assert torch.allclose(got.masses, want.masses * scale**2)


def test_agrees_with_the_peer(data_folder):
    peer = pytest.importorskip("robust_laplacian")
    from geokit.io.meshes import load_mesh

    for mesh in (load_mesh(data_folder / "meshes" / "spot.obj").to(torch.float64), random_soup(3, 40, 90)):
        got = robust_laplacian(mesh)
        stiffness, masses = peer.mesh_laplacian(mesh.vertices.numpy(), mesh.faces.numpy())
        assert abs(got.stiffness.to_scipy() - stiffness).max() < 1e-10
        assert abs(got.masses.numpy() - masses.diagonal()).max() < 1e-10 * got.area


def test_operators_pass_opcheck_and_bad_arguments_are_told():
    mesh = torus(4, 3)
    torch.library.opcheck(intrinsic_ops.intrinsic_delaunay, (mesh.vertices, mesh.faces, 1e-5))
    torch.library.opcheck(intrinsic_ops.edge_entries, (mesh.faces, len(mesh.vertices)))
    with pytest.raises(ValueError, match="name vertices"):
        intrinsic_ops.edge_entries(mesh.faces, 3)
    with pytest.raises(InvalidInput, match="kind"):
        laplacian(mesh, kind="umbrella")
    with pytest.raises(InvalidInput, match="faces"):
        laplacian(Mesh(mesh.vertices, mesh.faces[:0]))
