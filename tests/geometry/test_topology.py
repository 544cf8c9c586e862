import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.geometry.topology import (
    boundary_loops,
    connected_components,
    euler_characteristic,
    half_edges,
    largest_component,
    submesh,
    topology,
)
from tests.geometry.shapes import grid, sphere, tetrahedron, torus


def mesh_of(*faces: tuple[int, int, int]) -> Mesh:
    table = torch.tensor(faces).reshape(-1, 3)
    count = int(table.max()) + 1
    return Mesh(torch.randn(count, 3, generator=torch.Generator().manual_seed(1)), table)


def together(*meshes: Mesh) -> Mesh:
    starts = torch.tensor([0, *[len(m.vertices) for m in meshes]]).cumsum(0)
    faces = torch.cat([m.faces + start for m, start in zip(meshes, starts)])
    return Mesh(torch.cat([m.vertices for m in meshes]), faces)


@pytest.mark.parametrize(("mesh", "chi", "genus"), [(tetrahedron(), 2, 0), (sphere(2), 2, 0), (torus(), 0, 1)])
def test_closed_surfaces(mesh, chi, genus):
    found = topology(mesh)
    assert found.watertight
    assert found.manifold
    assert (euler_characteristic(mesh), found.genus) == (chi, genus)
    assert found.edges * 2 == 3 * len(mesh)
    assert boundary_loops(mesh.faces) == []


def test_the_genus_of_several_pieces_is_summed():
    found = topology(together(torus(), sphere(1), torus()))
    assert (found.components, found.euler_characteristic, found.genus) == (3, 2, 2)


def test_twins_run_back_and_next_goes_round():
    mesh = half_edges(torus().faces)
    every = torch.arange(len(mesh))
    torch.testing.assert_close(mesh.twins[mesh.twins], every)
    torch.testing.assert_close(mesh.origins[mesh.twins], mesh.targets)
    torch.testing.assert_close(mesh.next(mesh.next(mesh.next(every))), every)
    torch.testing.assert_close(mesh.origins[mesh.next(every)], mesh.targets)


def test_the_rim_of_a_grid_is_walked_along_its_faces():
    faces = grid(3, 4)
    (loop,) = boundary_loops(faces)
    assert sorted(loop.tolist()) == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    steps = set(zip(loop.tolist(), loop.roll(-1).tolist()))
    run = {(f[i], f[(i + 1) % 3]) for f in faces.tolist() for i in range(3)}
    assert steps <= run
    assert topology(Mesh(torch.rand(12, 3), faces)).boundary_edges == 10


def test_a_tube_has_two_rims_and_the_longer_comes_first():
    faces = torch.cat((grid(3, 5, wrap_columns=True), torch.tensor([[0, 2, 1]])))  # a flap narrows one rim
    loops = boundary_loops(grid(3, 5, wrap_columns=True))
    assert [len(loop) for loop in loops] == [5, 5]
    assert [len(loop) for loop in boundary_loops(faces)] == sorted(
        (len(x) for x in boundary_loops(faces)), reverse=True
    )


def test_two_triangles_that_touch_at_a_vertex():
    bow = mesh_of((0, 1, 2), (0, 3, 4))
    found = topology(bow)
    assert found.nonmanifold_vertices == 1
    assert not found.manifold
    assert found.components == 1
    assert sorted(sorted(loop.tolist()) for loop in boundary_loops(bow.faces)) == [[0, 1, 2], [0, 3, 4]]


def test_three_faces_at_an_edge():
    found = topology(mesh_of((0, 1, 2), (1, 0, 3), (0, 1, 4)))
    assert found.nonmanifold_edges == 1
    assert not found.watertight
    assert found.genus is None


def test_neighbours_that_look_to_opposite_sides():
    found = topology(mesh_of((0, 1, 2), (0, 1, 3)))
    assert found.flipped_edges == 1
    assert found.manifold
    assert not found.oriented
    mesh = tetrahedron()
    faces = mesh.faces.clone()
    faces[0] = faces[0].flip(0)
    assert not topology(mesh.replace(faces=faces)).watertight


def test_degenerate_duplicate_and_unreferenced():
    mesh = mesh_of((0, 1, 2), (2, 0, 1), (3, 3, 4), (5, 6, 7))
    found = topology(mesh.replace(vertices=torch.rand(10, 3)))
    assert (found.degenerate_faces, found.duplicate_faces, found.unreferenced) == (1, 1, 2)


def test_components_and_the_largest():
    mesh = together(tetrahedron(), sphere(1), tetrahedron())
    labels = connected_components(mesh)
    assert labels.bincount().tolist() == [4, 42, 4]
    alone = largest_component(mesh)
    assert (len(alone.vertices), len(alone)) == (42, 80)
    torch.testing.assert_close(alone.vertices, sphere(1).vertices)
    with pytest.raises(InvalidInput, match="needs a mesh with faces"):
        largest_component(Mesh(torch.rand(3, 3), torch.zeros(0, 3, dtype=torch.int64)))


def test_a_part_keeps_what_its_vertices_and_corners_carry():
    mesh = tetrahedron()
    mesh = mesh.replace(colors=mesh.vertices, uv=mesh.corners[:, :, :2])
    part = submesh(mesh, torch.tensor([3]))
    torch.testing.assert_close(part.colors, part.vertices)
    torch.testing.assert_close(part.uv, part.corners[:, :, :2])
    assert len(part.vertices) == 3


def test_nothing_at_all():
    found = topology(Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)))
    assert (found.faces, found.components, found.euler_characteristic) == (0, 0, 0)
    assert not found.watertight


@given(st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=25))
def test_any_soup_is_counted_and_walked_without_end(faces):
    table = torch.tensor(faces)
    mesh = half_edges(table)
    paired = (mesh.twins >= 0).nonzero()[:, 0]
    assert torch.equal(mesh.twins[mesh.twins[paired]], paired)
    assert int(mesh.faces_at_edge.sum()) == len(mesh)
    rims = int((mesh.faces_at_edge == 1).sum())
    assert sum(len(loop) for loop in boundary_loops(mesh)) <= rims
    found = topology(Mesh(torch.rand(8, 3), table))
    assert found.vertices + found.unreferenced == 8
