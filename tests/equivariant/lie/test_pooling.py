"""Regular features: what commutes with permutations of elements and turns of the plane, and what they do not change."""

import pytest
import torch

from geokit.equivariant.lie import GLPlus, sample_set
from geokit.equivariant.lie.pooling import halved, invariant_maximum, invariant_mean, normalised
from geokit.errors import InvalidInput

FEATURES = torch.randn(2, 3, 5, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ORDER = [3, 0, 4, 1, 2]


def moved(features):
    """Elements permuted and the plane turned by a quarter."""
    return features[:, :, ORDER].rot90(1, (3, 4))


@pytest.mark.parametrize("layer", [normalised, halved])
def test_motions_commute(layer):
    assert torch.allclose(layer(moved(FEATURES)), moved(layer(FEATURES)), atol=1e-12)


def test_values():
    flat = normalised(3 * FEATURES + 7).flatten(1)
    assert torch.allclose(flat.mean(1), torch.zeros(2).double(), atol=1e-12)
    assert torch.allclose(flat.var(1, unbiased=False), torch.ones(2).double(), atol=1e-4)
    assert halved(FEATURES)[1, 2, 3, 1, 2] == FEATURES[1, 2, 3, 2:4, 4:6].max()
    assert halved(FEATURES).shape == (2, 3, 5, 3, 3)


def test_readouts_are_invariant():
    samples = sample_set(GLPlus(2), 5, haar=True, dtype=torch.float64)
    assert torch.equal(invariant_maximum(moved(FEATURES)), invariant_maximum(FEATURES))
    mean = invariant_mean(FEATURES, samples)
    wanted = sum(w * FEATURES[:, :, s].mean((2, 3)) for s, w in enumerate(samples.weights)) / samples.weights.sum()
    assert torch.allclose(mean, wanted, atol=1e-12)
    assert torch.allclose(invariant_mean(FEATURES.rot90(1, (3, 4)), samples), mean, atol=1e-12)
    with pytest.raises(InvalidInput, match=r"features must be \(B, C, 5, H, W\) for"):
        invariant_mean(FEATURES[:, :, :4], samples)
