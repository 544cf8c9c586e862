import math

import pytest
import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud
from geokit.spectral.shape import prepare
from tests.geometry.shapes import grid, sphere, torus


def of_triangles(places, faces) -> Mesh:
    return Mesh(torch.as_tensor(places, dtype=torch.float64), torch.as_tensor(faces))


def same_eigenvalues(mesh: Mesh, other: Mesh) -> bool:
    one, two = (prepare(m, 12).basis.eigenvalues for m in (mesh, other))
    return torch.allclose(one, two, rtol=1e-8, atol=1e-8)


def test_a_clean_mesh_is_only_scaled():
    mesh = torus(24, 12, 5.0, 2.0)
    shape = prepare(mesh, 20)
    assert shape.report == ()
    assert math.isclose(shape.mesh.area(), 1, rel_tol=1e-12)
    assert math.isclose(shape.scale, mesh.area() ** -0.5, rel_tol=1e-12)
    assert torch.equal(shape.mesh.faces, mesh.faces)
    assert torch.allclose(shape.mesh.vertices, (mesh.vertices - mesh.vertices.mean(0)) * shape.scale, atol=1e-12)
    assert torch.equal(shape.given, torch.arange(len(mesh.vertices)))
    assert torch.equal(shape.origins, shape.given)
    gram = shape.basis.eigenvectors.T @ (shape.basis.masses[:, None] * shape.basis.eigenvectors)
    assert torch.allclose(gram, torch.eye(20, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tiny_and_huge_shapes_far_away(scale, dtype):
    mesh = sphere(2)  # not a torus: whether a rectangle of a grid is cut this way or that depends on rounding
    moved = Mesh(((mesh.vertices + 5) * scale).to(dtype), mesh.faces)
    shape, want = prepare(moved, 12), prepare(mesh, 12)
    loose = 1e-4 if dtype == torch.float32 else 1e-9
    assert torch.allclose(shape.basis.eigenvalues, want.basis.eigenvalues, rtol=loose, atol=loose)
    assert math.isclose(shape.scale * scale, want.scale, rel_tol=loose)


def test_vertices_at_one_place_become_one():
    """A torus cut open into separate triangles, as STL files have it."""
    mesh = torus(16, 8)
    soup = Mesh(mesh.corners.reshape(-1, 3), torch.arange(3 * len(mesh)).reshape(-1, 3))
    shape = prepare(soup, 12)
    assert len(shape) == len(mesh.vertices)
    assert same_eigenvalues(soup, mesh)
    back = shape.mesh.vertices[shape.given] / shape.scale
    assert torch.allclose(back - back[0], soup.vertices - soup.vertices[0], atol=1e-12)
    assert torch.equal(shape.given[shape.origins], torch.arange(len(shape)))
    assert "each place is one vertex" in " ".join(shape.report)


def test_what_no_face_uses_is_carried_by_the_nearest():
    mesh = torus(16, 8)
    extra = mesh.vertices[[3, 50]] * 1.01
    shape = prepare(Mesh(torch.cat([extra, mesh.vertices]), mesh.faces + 2), 12)
    assert len(shape) == len(mesh.vertices)
    assert shape.given.tolist() == [3, 50, *range(len(mesh.vertices))]
    assert shape.origins.tolist() == list(range(2, len(mesh.vertices) + 2))
    assert any("belong to no face" in sentence for sentence in shape.report)


def test_a_lost_vertex_far_away_does_no_harm():
    mesh = torus(16, 8)
    far = Mesh(torch.cat([mesh.vertices, torch.full((1, 3), 1e15, dtype=torch.float64)]), mesh.faces)
    shape, want = prepare(far, 12), prepare(mesh, 12)
    assert torch.equal(shape.mesh.vertices, want.mesh.vertices)
    assert shape.scale == want.scale
    assert len(shape.given) == len(mesh.vertices) + 1


def test_repeated_flat_and_broken_faces_change_nothing():
    mesh = torus(16, 8)
    a, b, c = mesh.faces[7].tolist()
    more = torch.tensor([[a, b, c], [b, a, c], [a, a, b], [c, c, c]])
    broken = Mesh(mesh.vertices, torch.cat([mesh.faces, more]))
    shape = prepare(broken, 12)
    assert torch.equal(shape.mesh.faces, mesh.faces)
    assert same_eigenvalues(broken, mesh)
    assert [sentence.split()[0] for sentence in shape.report] == ["2", "2"]


def test_a_face_without_area_between_two_others():
    """A vertex on an edge: the face that closes the crack is flipped away, and nothing tears."""
    places = [[0, 0, 0], [2, 0, 0], [1, 0, 0], [1, 1, 0], [1, -1, 0]]
    shape = prepare(of_triangles(places, [[0, 2, 3], [2, 1, 3], [0, 1, 2], [1, 0, 4]]), 3)
    assert len(shape) == 5
    assert bool((shape.mesh.face_areas() > 0.1).all())
    assert int((shape.basis.eigenvalues < 1e-6).sum()) == 1


@pytest.mark.parametrize("turn", ["some", "all"])
def test_faces_are_turned_outward(turn):
    mesh = torus(16, 8)
    which = torch.ones(len(mesh), dtype=torch.bool)
    if turn == "some":
        which = torch.rand(len(mesh), generator=torch.Generator().manual_seed(0)) < 0.4
    shape = prepare(Mesh(mesh.vertices, torch.where(which[:, None], mesh.faces.flip(1), mesh.faces)), 12)
    assert shape.mesh.volume() > 0
    assert torch.allclose(shape.normals, prepare(mesh, 12).normals, atol=1e-12)
    assert shape.report[0].startswith(f"{int(which.sum())} faces were turned over")


def test_pieces_rims_and_branches_are_told():
    one = sphere(1)
    two = Mesh(torch.cat([one.vertices, one.vertices + 3]), torch.cat([one.faces, one.faces[:-1] + 42]))
    shape = prepare(two, 10)
    assert any("2 separate pieces" in sentence for sentence in shape.report)
    assert any("open along 3 edges" in sentence for sentence in shape.report)
    assert int((shape.basis.eigenvalues < 1e-6).sum()) == 2
    book = of_triangles([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, -1, 0]], [[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    assert any("1 edges have more than two faces" in sentence for sentence in prepare(book, 3).report)


def test_few_vertices_have_few_eigenpairs():
    shape = prepare(sphere(0), 200)
    assert len(shape.basis) == 11
    assert any("200 eigenpairs" in sentence for sentence in shape.report)
    # the icosahedron: 0, and twice a multiplicity of 3 and 5 of its symmetries
    values = shape.basis.eigenvalues
    assert torch.allclose(values[1:4], values[1].expand(3))
    assert torch.allclose(values[4:9], values[4].expand(5))


def nothing() -> tuple[Tensor, Tensor]:
    return torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("mesh", "said"),
    [
        (Mesh(*nothing()), "faces with an area"),
        (Mesh(torch.rand(5, 3), nothing()[1]), "PointCloud"),
        (Mesh(torch.ones(4, 3), torch.tensor([[0, 1, 2], [1, 2, 3]])), "faces with an area"),
        (Mesh(torch.arange(4.0)[:, None].expand(4, 3).contiguous(), torch.tensor([[0, 1, 2]])), "has an area"),
    ],
    ids=["empty", "points", "one place", "line"],
)
def test_what_is_no_surface_is_one_sentence(mesh, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        prepare(mesh)
    assert "\n" not in str(caught.value)


def test_bad_counts_and_values():
    with pytest.raises(InvalidInput, match="count"):
        prepare(sphere(1), 0)
    with pytest.raises(InvalidInput, match="NaN"):
        Mesh(torch.full((3, 3), math.nan), torch.tensor([[0, 1, 2]]))


def test_an_open_patch_keeps_its_orientation_where_it_has_one():
    flat = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))
    mesh = Mesh(torch.cat([flat, torch.zeros(16, 1)], 1), grid(4, 4))
    assert torch.equal(prepare(mesh, 5).mesh.faces, mesh.faces)


def test_points_are_prepared_like_meshes():
    mesh = sphere(3)
    cloud = PointCloud(torch.cat([mesh.vertices[[5]], mesh.vertices]) * 7)
    shape, want = prepare(cloud, 9), prepare(mesh, 9)
    assert len(shape) == len(mesh.vertices)
    assert shape.given.tolist()[:8] == [0, 1, 2, 3, 4, 5, 0, 6]
    assert torch.equal(shape.given[shape.origins], torch.arange(len(shape)))
    assert len(shape.report) == 1
    assert math.isclose(shape.laplacian.area, 1, rel_tol=1e-9)
    assert torch.allclose(shape.basis.eigenvalues, want.basis.eigenvalues, rtol=0.02, atol=1e-6)
    radial = (shape.normals * shape.mesh.vertices).sum(1) / shape.mesh.vertices.norm(dim=1)
    assert float(radial.min()) > 0.99
    with pytest.raises(InvalidInput, match="four places"):
        prepare(PointCloud(torch.ones(9, 3)))
