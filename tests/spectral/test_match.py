"""Matching: closed forms (copies), transfer, landmarks, dense shapes."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.spectral.match import Match, match
from geokit.spectral.match_shape import match_shape
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
