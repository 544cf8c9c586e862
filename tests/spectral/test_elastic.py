"""One shape bent onto another: what is wrong in part comes right, and the true map has the least misfit."""

import pytest
import torch

from geokit.geometry.mesh import Mesh
from geokit.spectral.elastic import PULLS, ElasticMatcher
from geokit.spectral.shape import SpectralShape, prepare
from tests.spectral.asymmetric import blob


def twisted(mesh: Mesh, turn: float) -> Mesh:
    """The mesh turned about z, the further the higher."""
    x, y, z = mesh.vertices.unbind(1)
    c, s = torch.cos(turn * z), torch.sin(turn * z)
    return Mesh(torch.stack([c * x - s * y, s * x + c * y, z], 1), mesh.faces)


@pytest.fixture(scope="module")
def pair() -> tuple[SpectralShape, SpectralShape]:
    """A shape of 2,562 vertices and the same twisted; vertices correspond by their numbers."""
    mesh = blob(4)
    return prepare(mesh, 60), prepare(twisted(mesh, 0.1), 60)


def mean_error(shape1: SpectralShape, p2p: torch.Tensor) -> float:
    return float((shape1.mesh.vertices[p2p] - shape1.mesh.vertices).norm(dim=1).mean())


def across(shape: SpectralShape) -> torch.Tensor:
    """(N,) the vertex nearest to each one turned half about z."""
    places = shape.mesh.vertices
    return torch.cdist(places * torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64), places).argmin(1)


def test_what_strays_comes_right(pair):
    """A sixth of the vertices go anywhere: their surroundings carry them back."""
    shape1, shape2 = pair
    generator = torch.Generator().manual_seed(0)
    truth, anywhere = torch.arange(len(shape1)), torch.randperm(len(shape1), generator=generator)
    spoilt = torch.where(torch.rand(len(shape1), generator=generator) < 1 / 6, anywhere, truth)
    spacing = (1 / len(shape1)) ** 0.5
    assert mean_error(shape1, spoilt) > 3 * spacing
    functional_map, p2p_21, p2p_12 = ElasticMatcher(shape1, shape2, 60).refine(spoilt)
    assert functional_map.shape == (60, 60)
    assert mean_error(shape1, p2p_21) < spacing / 2
    assert mean_error(shape2, p2p_12) < spacing / 2


def test_the_true_map_has_the_least_misfit_after_any_number_of_steps(pair):
    shape1, shape2 = pair
    matcher = ElasticMatcher(shape1, shape2, 60)
    cells, samples = matcher.coarse1.cell, matcher.coarse2.samples
    true, false = (matcher.begin(cells[p2p[samples]]) for p2p in (torch.arange(len(shape1)), across(shape1)))
    assert true.steps == 0
    for steps in (2, 8, len(PULLS)):
        true, false = matcher.bend(true, steps), matcher.bend(false, steps)
        assert true.steps == steps
        assert true.misfit < false.misfit / 1.2


def test_bending_in_two_goes_is_bending_in_one(pair):
    matcher = ElasticMatcher(*pair, 60)
    begun = matcher.begin_by(torch.eye(20))
    once, twice = matcher.bend(begun, 8), matcher.bend(matcher.bend(begun, 3), 8)
    assert once.misfit == twice.misfit
    assert torch.equal(once.places, twice.places)
    assert torch.equal(matcher.bend(once, 4).places, once.places)


def test_rotations_do_not_matter(pair):
    shape1, shape2 = pair
    turn = torch.linalg.matrix_exp(torch.tensor([[0, 1.0, 0.3], [-1, 0, 0.5], [-0.3, -0.5, 0]], dtype=torch.float64))
    moved = prepare(Mesh(shape2.mesh.vertices @ turn.T * 7 + 3, shape2.mesh.faces), 60)
    truth = torch.arange(len(shape1))
    there, here = (ElasticMatcher(shape1, shape, 60).refine(truth)[1] for shape in (moved, shape2))
    assert (there == here).double().mean() > 0.98


def test_two_bodies_and_thin_ones_are_no_trouble():
    ball = blob(3)
    both = torch.cat([ball.vertices, ball.vertices * 0.9 + torch.tensor([6.0, 0, 0], dtype=torch.float64)])
    pairs = Mesh(both, torch.cat([ball.faces, ball.faces + len(ball.vertices)]))
    thin = Mesh(blob(4).vertices * torch.tensor([0.05, 0.05, 3.0], dtype=torch.float64), blob(4).faces)
    for mesh in (pairs, thin):
        shape = prepare(mesh, 40)
        p2p = ElasticMatcher(shape, shape, 40).refine(torch.arange(len(shape)))[1]
        assert (p2p == torch.arange(len(shape))).double().mean() > 0.9
