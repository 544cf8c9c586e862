"""Refinement beyond ZoomOut."""

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.refine import refine
from tests.spectral.asymmetric import permuted_pair


@pytest.fixture(scope="module")
def pair():
    return permuted_pair()


def test_the_permutation_of_a_copy_stays_and_a_spoilt_one_is_mended(pair):
    shape1, shape2, p2p = pair
    assert torch.equal(refine(p2p, shape1, shape2, count=40)[1], p2p)
    generator = torch.Generator().manual_seed(0)
    neighbour = torch.empty(len(p2p), dtype=torch.int64)
    edges = shape1.mesh.faces[torch.randperm(len(shape1.mesh), generator=generator)]
    neighbour[edges.reshape(-1)] = edges.roll(1, dims=1).reshape(-1)
    spoilt = p2p.clone()
    wrong = torch.randperm(len(p2p), generator=generator)[: len(p2p) // 2]
    spoilt[wrong] = neighbour[p2p[wrong]]
    refined = refine(spoilt, shape1, shape2, count=40)[1]
    assert (refined != p2p).sum() < 0.1 * len(wrong)


def test_what_does_not_fit_is_told(pair):
    shape1, shape2, p2p = pair
    with pytest.raises(InvalidInput, match="prepare them with more"):
        refine(p2p, shape1, shape2, count=41)
    with pytest.raises(InvalidInput, match="shape"):
        refine(p2p[1:], shape1, shape2, count=40)
