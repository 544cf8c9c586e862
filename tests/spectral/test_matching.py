"""Matching: closed forms (copies), transfer, landmarks, dense shapes."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.match_shape import match_shape
from geokit.spectral.matching import Match, match
from tests.spectral.blobs import blob, permuted


@pytest.fixture(scope="module")
def copies() -> tuple[Mesh, Mesh, torch.Tensor]:
    """A mesh, the same turned, scaled, moved and renumbered, and the vertex of the first that each of the second is."""
    mesh = blob()
    copy, old = permuted(mesh)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64))[0]
    turn = turn * torch.linalg.det(turn)
    return mesh, copy.replace(vertices=copy.vertices @ turn.T * 37 + 5), old


@pytest.fixture(scope="module")
def found(copies) -> Match:
    return match(*copies[:2])


def test_a_permuted_copy_gives_the_permutation_both_ways(copies, found):
    _, _, old = copies
    assert torch.equal(found.p2p_21, old)
    assert torch.equal(found.p2p_12, torch.argsort(old))
    assert found.quality.cycle_error == 0
    assert found.quality.orientation == 1
    assert found.quality.coverage_1 == pytest.approx(1)
    assert found.quality.smoothness_12 == pytest.approx(1, abs=0.02)
    assert found.quality.area_distortion < 1e-6


def test_landmarks_give_the_same(copies):
    mesh, copy, old = copies
    landmarks = torch.stack([old[:6], torch.arange(6)], 1)
    assert torch.equal(match(mesh, copy, landmarks=landmarks).p2p_21, old)


def test_landmarks_that_cannot_be(copies):
    mesh, copy, _ = copies
    for landmarks, words in (
        ([[0, 1], [5000, 2]], "landmark 2 names vertex 5000 of shape 1"),
        ([[0, -1]], "numbered from 0 to 641"),
        ([[0, 1], [0, 2]], "pair vertex 0 of shape 1 with both 1 and 2 of shape 2"),
    ):
        with pytest.raises(InvalidInput, match=words):
            match(mesh, copy, landmarks=torch.tensor(landmarks))
    with pytest.raises(InvalidInput, match="no pair"):
        match(mesh, copy, landmarks=torch.zeros(0, 2, dtype=torch.int64))


def test_transfer(copies, found):
    mesh, _copy, old = copies
    labels = torch.arange(642) % 7
    assert torch.equal(found.transfer(labels), labels[old])
    assert torch.equal(found.transfer(labels[old], "2->1"), labels)
    values = torch.randn(642, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for how in ("nearest", "precise"):
        torch.testing.assert_close(found.transfer(values, how=how), values[old], atol=1e-6, rtol=0)
        torch.testing.assert_close(found.transfer(values[old], "2->1", how), values, atol=1e-6, rtol=0)
    smooth = mesh.vertices.float()
    carried = found.transfer(smooth, how="smooth")
    assert carried.dtype == torch.float32
    assert float((carried - smooth[old]).norm() / smooth.norm()) < 0.02
    for wrong in ({"direction": "1->1"}, {"how": "best"}):
        with pytest.raises(InvalidInput):
            found.transfer(smooth, **wrong)
    with pytest.raises(InvalidInput, match="642"):
        found.transfer(smooth[:5])
    with pytest.raises(InvalidInput, match="nearest"):
        found.transfer(labels, how="smooth")


def test_reversed_is_the_same_the_other_way(copies, found):
    turned = found.reversed()
    assert torch.equal(turned.p2p_12, found.p2p_21)
    assert torch.equal(turned.precise.face_ids, found.precise_12.face_ids)
    assert turned.quality.reversed() == found.quality


def test_a_prepared_shape_is_taken_as_it_is(copies, found):
    first = match_shape(copies[0])
    again = match(first, copies[1])
    assert again.shape1 is first
    assert torch.equal(again.p2p_21, found.p2p_21)
    assert "642 vertices" in repr(first)
    assert repr(again).startswith("Match(642 and 642 vertices, functional map 150x150, confidence")


def test_bad_meshes_are_cleaned_and_every_given_vertex_is_matched(copies):
    """Doubled vertices, unreferenced ones, a flat face, a repeated one, an edge of three faces, a crumb, a hole."""
    mesh, _, old = copies
    n = 642
    fin = mesh.vertices[mesh.faces[0, 0]] * 1.05
    crumb = mesh.vertices.new_tensor([[9.0, 0, 0], [9.01, 0, 0], [9, 0.01, 0]])
    vertices = torch.cat([mesh.vertices, mesh.vertices[:3], fin[None], crumb, crumb[:1] * 3])
    a, b = mesh.faces[0, :2].tolist()
    extra = torch.tensor([[n, n + 1, n + 2], [a, b, n + 3], [n + 4, n + 5, n + 6], [a, a, b]])
    faces = torch.cat([mesh.faces[1:], mesh.faces[5:6], extra])
    broken = Mesh(vertices, faces)
    found = match(broken, permuted(mesh)[0])
    assert len(found.p2p_12) == len(vertices)
    exact = (found.p2p_21 == old).double().mean()
    assert float(exact) > 0.9  # the fin and the hole displace what is around them, by one vertex
    assert float((vertices[found.p2p_21] - vertices[old]).norm(dim=1).mean()) < 0.02
    assert torch.equal(vertices[found.p2p_21[found.p2p_12[n : n + 3]]], vertices[found.p2p_21[found.p2p_12[:3]]])
    told = " ".join(found.quality.repairs)
    for words in ("without an area", "lie where another one does", "repeat another", "small pieces", "shape 1"):
        assert words in told
    assert "shape 2" not in told


def test_shapes_that_cannot_be_matched():
    ball = blob(1)
    with pytest.raises(InvalidInput, match="shape 2: a shape needs faces with an area"):
        match(ball, Mesh(ball.vertices * 0, ball.faces))
    with pytest.raises(InvalidInput, match="shape 1: a shape to match must be a Mesh"):
        match(ball.vertices, ball)


def test_fewer_vertices_than_eigenpairs_and_very_different_sizes():
    small, large = blob(1), blob(3)  # the vertices of the small one are the first of the large one
    landmarks = torch.arange(12)[:, None].expand(-1, 2)
    found = match(small, large.replace(vertices=large.vertices * 1e6), landmarks=landmarks)
    assert found.functional_map.shape == (41, 41)
    assert any("eigenfunctions" in sentence for sentence in found.quality.repairs)
    away = (small.vertices[found.p2p_21] - large.vertices).norm(dim=1)
    assert float(away.mean()) < 0.5  # edges of the small one are about 0.6 long
