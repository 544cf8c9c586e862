import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.conversions import point_to_point
from geokit.spectral.functional_map import resolvent_mask
from geokit.spectral.prior import load_prior
from geokit.spectral.shape import prepare
from geokit.spectral.zero_shot import zero_shot_map
from tests.spectral.asymmetric import blob, permuted_pair


@pytest.fixture(scope="module")
def pair():
    return permuted_pair(40)


def test_a_permuted_copy_gives_the_permutation(pair):
    shape1, shape2, p2p = pair
    mask = resolvent_mask(*(shape.basis.eigenvalues[:30] for shape in (shape1, shape2)))
    found = zero_shot_map(
        shape1, shape2, lambda raw: mask, load_prior().gaussian.denoise, steps=4, width=16, blocks=1, samples=100
    )
    assert found.functional_map.shape == (30, 30)
    assert found.losses.shape == (4,)
    assert float((point_to_point(found.functional_map, shape1.basis, shape2.basis) == p2p).double().mean()) > 0.99


def test_equal_seeds_give_equal_maps(pair):
    def run(seed: int) -> torch.Tensor:
        mask = torch.ones(30, 30, dtype=torch.float64)
        found = zero_shot_map(
            *pair[:2], lambda raw: mask, steps=2, width=16, blocks=1, samples=60, inputs="xyz", seed=seed
        )
        return found.functional_map

    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_too_few_eigenfunctions_are_refused():
    shape = prepare(blob(), 35)
    with pytest.raises(InvalidInput, match="40 eigenfunctions"):
        zero_shot_map(shape, shape, torch.ones_like)
