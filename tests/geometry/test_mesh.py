import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from tests.geometry.shapes import sphere, tetrahedron, torus


def test_a_tetrahedron_has_its_known_measures():
    mesh = tetrahedron()
    assert mesh.volume() == pytest.approx(1 / 6)
    assert mesh.area() == pytest.approx(1.5 + math.sqrt(3) / 2)
    assert mesh.extent == pytest.approx(math.sqrt(3))
    slanted = mesh.face_normals()[3]
    torch.testing.assert_close(slanted, torch.full((3,), 1 / math.sqrt(3), dtype=torch.float64))
    assert len(mesh) == 4
    assert "4 vertices, 4 faces" in repr(mesh)


def test_measures_of_a_sphere_converge_to_the_formulas():
    mesh = sphere(5, radius=2.0)
    assert mesh.area() == pytest.approx(16 * math.pi, rel=2e-3)
    assert mesh.volume() == pytest.approx(32 / 3 * math.pi, rel=3e-3)
    torch.testing.assert_close(mesh.vertex_normals(), mesh.vertices / 2, atol=5e-3, rtol=0)
    assert torus(200, 100).volume() == pytest.approx(2 * math.pi**2 * 2 * 0.25, rel=2e-3)


def test_measures_have_gradients():
    faces = tetrahedron().faces
    vertices = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for name in ("face_normals", "face_areas", "vertex_normals"):
        assert torch.autograd.gradcheck(lambda v, n=name: getattr(Mesh(v, faces), n)(), (vertices,))


def test_faces_without_area_have_no_normal_and_harm_no_vertex_normal():
    mesh = tetrahedron()
    mesh = mesh.replace(faces=torch.cat((mesh.faces, torch.tensor([[1, 1, 2]]))))
    assert mesh.face_normals()[-1].tolist() == [0, 0, 0]
    torch.testing.assert_close(mesh.vertex_normals(), tetrahedron().vertex_normals())


def test_fields_travel_together():
    mesh = tetrahedron()
    full = mesh.replace(
        normals=mesh.vertex_normals(),
        colors=torch.rand(4, 3, dtype=torch.float64),
        uv=torch.rand(4, 3, 2, dtype=torch.float64),
        texture=torch.rand(5, 6, 4, dtype=torch.float64),
    )
    single = full.to(torch.float32)
    assert single.faces.dtype == torch.int64
    assert {t.dtype for name, t in single.tensors().items() if name != "faces"} == {torch.float32}
    assert list(full.to("cpu").tensors()) == list(full.tensors())
    assert "normals, colors, uv, texture" in repr(full)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vertices": torch.zeros(4, 2)}, r"vertices must have shape \(V, 3\), got \(4, 2\)"),
        ({"vertices": torch.zeros(4, 3).long()}, "vertices must be float32 or float64, got int64"),
        ({"vertices": torch.full((4, 3), torch.nan)}, "vertices must be finite"),
        ({"faces": torch.zeros(1, 3)}, "faces must be int64"),
        ({"faces": torch.tensor([[0, 1, 4]])}, "faces name the vertices 0 to 4, but there are 4 vertices"),
        ({"faces": torch.tensor([[0, 1, -1]])}, "faces name the vertices -1 to 1"),
        ({"normals": torch.zeros(3, 3)}, r"normals must have shape \(4, 3\), got \(3, 3\)"),
        ({"colors": torch.zeros(4, 3).double()}, "colors must be float32, got float64"),
        ({"uv": torch.zeros(4, 2)}, r"uv must have shape \(4, 3, 2\)"),
        ({"texture": torch.zeros(4, 4, 2)}, r"texture must have shape \(H, W, 3\)"),
    ],
)
def test_wrong_fields_are_refused_in_one_sentence(changes, sentence):
    mesh = tetrahedron(torch.float32)
    with pytest.raises(InvalidInput, match=sentence):
        mesh.replace(**changes)


def test_an_empty_mesh_is_a_mesh():
    mesh = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    assert (len(mesh), mesh.area(), mesh.extent) == (0, 0, 0)
    assert repr(mesh) == "Mesh(0 vertices, 0 faces, empty)"


def test_gradients_of_normals_stop_at_faces_without_area() -> None:
    """Three faces without area around one vertex once summed their gradients beyond the range of float32."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]], requires_grad=True)
    mesh = Mesh(vertices, torch.tensor([[0, 1, 3], [1, 1, 1], [0, 3, 1]]))
    for normals in (mesh.vertex_normals(), mesh.face_normals()):
        assert not normals.any()
        (gradient,) = torch.autograd.grad(normals.sum(), vertices)
        assert not gradient.any()
