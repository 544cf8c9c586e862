import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.shot import BINS, local_frames, shot, shot_of_points
from tests.geometry.shapes import sphere
from tests.reference.shot import shot as reference_shot


def bumpy(seed: int = 0, level: int = 2) -> Mesh:
    """A ball with random bumps."""
    mesh = sphere(level)
    waves = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Mesh(mesh.vertices * (1 + 0.05 * torch.sin(2 * mesh.vertices @ waves).sum(1, keepdim=True)), mesh.faces)


def rotation(seed: int) -> torch.Tensor:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))[0]
    return turn * torch.linalg.det(turn)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_loops(seed):
    mesh = bumpy(seed, level=1)
    normals = mesh.vertex_normals()
    wanted = torch.from_numpy(reference_shot(mesh.vertices.numpy(), normals.numpy(), 0.9))
    got = shot_of_points(mesh.vertices, normals, 0.9)
    assert got.shape == (len(mesh.vertices), BINS)
    assert torch.allclose(got, wanted, atol=1e-9)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_a_moved_and_scaled_copy_has_the_same_descriptors(seed):
    mesh = bumpy(seed)
    moved = Mesh(3 * mesh.vertices @ rotation(seed).T + 5, mesh.faces)
    assert torch.allclose(shot(moved, 1.8), shot(mesh, 0.6), atol=1e-6)


def test_renumbered_vertices_have_renumbered_descriptors():
    mesh = bumpy(3)
    order = torch.randperm(len(mesh.vertices), generator=torch.Generator().manual_seed(0))
    other = Mesh(mesh.vertices[order], torch.argsort(order)[mesh.faces])
    assert torch.allclose(shot(other, 0.5), shot(mesh, 0.5)[order], atol=1e-9)


def test_a_symmetry_of_the_shape_is_one_of_the_descriptors():
    # A half turn about z maps the points onto themselves, vertex i to vertex j.
    half = bumpy(4)
    turn = torch.diag(torch.tensor([-1.0, -1, 1])).double()
    apart = half.vertices + torch.tensor([3.0, 0, 0])
    points, normals = (torch.cat((t, t @ turn)) for t in (apart, half.vertex_normals()))
    found = shot_of_points(points, normals, 0.5)
    assert torch.allclose(found[: len(apart)], found[len(apart) :], atol=1e-9)


def test_a_mirror_image_differs():
    mesh = bumpy(5)
    mirrored = Mesh(mesh.vertices * torch.tensor([-1.0, 1, 1]), mesh.faces.flip(1))
    assert float((shot(mirrored, 0.6) - shot(mesh, 0.6)).norm(dim=1).mean()) > 0.1


def test_frames_turn_with_the_points_and_are_right_handed():
    points, turn = bumpy(6).vertices, rotation(6)
    frames = local_frames(points, 0.5)
    assert torch.allclose(torch.linalg.det(frames), torch.ones(len(points)).double())
    assert torch.allclose(local_frames(points @ turn.T, 0.5), frames @ turn.T, atol=1e-7)
    # The surface is convex: the neighbours lie on the inner side.
    assert float(((frames[:, 2] * points).sum(1) < 0).double().mean()) > 0.95


def test_every_neighbour_counts_once():
    # On a plane all normals agree with z, so one of the ends of the cosine holds everything.
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.pad(torch.rand(200, 2, generator=generator, dtype=torch.float64), (0, 1))
    normals = torch.tensor([0.0, 0, 1]).double().expand(200, 3)
    cosines = shot_of_points(points, normals, 0.3).reshape(-1, 32, 11)
    assert float(cosines[:, :, 1:10].abs().max()) == 0


def test_heavier_points_stand_for_several():
    mesh = bumpy(7)
    normals, weights = mesh.vertex_normals(), torch.ones(len(mesh.vertices)).double()
    weights[::3] = 2
    doubled, again = torch.cat((mesh.vertices, mesh.vertices[::3])), torch.cat((normals, normals[::3]))
    heavy = shot_of_points(mesh.vertices, normals, 0.5, weights)[1::3]
    assert torch.allclose(heavy, shot_of_points(doubled, again, 0.5)[: len(normals)][1::3], atol=1e-9)


def test_the_radius_follows_the_size_unless_given():
    mesh = bumpy(8, level=3)
    larger = Mesh(7 * mesh.vertices, mesh.faces)
    assert torch.allclose(shot(larger), shot(mesh), atol=1e-9)
    assert torch.allclose(shot(mesh), shot(mesh, 0.08 * mesh.area() ** 0.5))


def test_few_neighbours_choose_no_frame():
    points = torch.cat((torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), 99 + torch.eye(3)))
    found = shot_of_points(points, torch.nn.functional.normalize(points, dim=1), 20.0)
    assert torch.allclose(found.norm(dim=1), torch.tensor([1.0] * 6 + [0] * 3))


def test_wrong_arguments_are_named():
    with pytest.raises(InvalidInput, match="radius of SHOT must be positive"):
        shot(sphere(1), 0.0)
    with pytest.raises(InvalidInput, match=r"normals must have shape \(5, 3\)"):
        shot_of_points(torch.zeros(5, 3), torch.zeros(4, 3), 1.0)
