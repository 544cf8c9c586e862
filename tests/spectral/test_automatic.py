"""The search without landmarks: copies give the exact permutation, mirror images are told, data meets its bars."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import load_mesh
from geokit.spectral.automatic import automatic_map
from geokit.spectral.match_quality import measure
from geokit.spectral.shape import prepare
from tests.geometry.shapes import sphere
from tests.spectral.asymmetric import blob


@pytest.fixture(scope="module")
def spot(data_folder):
    return load_mesh(data_folder / "functional_maps" / "clean_licence" / "spot.obj")


def permuted(mesh: Mesh, seed: int = 0) -> tuple[Mesh, torch.Tensor]:
    """The mesh with shuffled vertices, turned; vertex i of it is vertex order[i] of the mesh."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(mesh.vertices), generator=generator)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    turn = turn * torch.linalg.det(turn).sign()
    return Mesh(mesh.vertices[order].double() @ turn.T * 3, order.argsort()[mesh.faces]), order


def test_a_shuffled_copy_gives_the_exact_permutation(spot):
    copy, order = permuted(spot)
    found = automatic_map(prepare(spot, 120), prepare(copy, 120))
    assert torch.equal(found.p2p_21, order)
    assert torch.equal(found.p2p_12, order.argsort())
    assert found.confidence > 0.5


def test_a_mirrored_copy_is_never_matched_as_itself(spot):
    """In the mirror image, the map that keeps orientation exchanges left and right of this symmetric cow."""
    shape = prepare(spot, 120)
    flipped = Mesh(spot.vertices * torch.tensor([-1.0, 1, 1]), spot.faces.flip(1))
    other = prepare(flipped, 120)
    found = automatic_map(shape, other)
    across = spot.vertices[found.p2p_21] * torch.tensor([-1.0, 1, 1])
    assert measure(shape, other, found.p2p_12, found.p2p_21, found.functional_map_12).orientation > 0.9
    assert float((across - spot.vertices * torch.tensor([1.0, 1, 1])).norm(dim=1).mean()) < 0.05


def test_too_few_eigenfunctions_are_one_sentence(spot):
    small = prepare(spot, 5)
    with pytest.raises(InvalidInput, match="at least 8"):
        automatic_map(small, small)


def test_few_functions_two_bodies_and_a_body_with_a_mirror_plane():
    ball = blob(3)
    shape = prepare(ball, 60)
    same = torch.arange(len(shape))
    assert (automatic_map(shape, shape, count=20).p2p_21 == same).double().mean() > 0.95
    vertices = torch.cat([ball.vertices, ball.vertices * 0.9 + torch.tensor([6.0, 0, 0], dtype=torch.float64)])
    both = prepare(Mesh(vertices, torch.cat([ball.faces, ball.faces + len(ball.vertices)])), 60)
    assert len(automatic_map(both, both).p2p_21) == len(both)
    round_body = sphere(3).vertices * torch.tensor([1.0, 1.4, 2.0], dtype=torch.float64)
    symmetric = prepare(Mesh(round_body, sphere(3).faces), 60)
    assert automatic_map(symmetric, symmetric).confidence < 0.3 < automatic_map(shape, shape).confidence
