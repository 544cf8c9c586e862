"""Samples, neighbourhoods and dtypes that do not go together."""

import pytest
import torch

from geokit.equivariant.lie import SO, GLPlus, PointGroupConvolution, PointLifting, neighborhood, sample_set
from geokit.errors import InvalidInput


def clouds():
    generator = torch.Generator().manual_seed(0)
    points, features = (torch.randn(40, width, dtype=torch.float64, generator=generator) for width in (2, 3))
    return points, (torch.arange(40) >= 25).long(), features


def test_samples_that_stretch_beyond_the_neighborhood_are_told():
    """Edges would be missing: the sum would be cut and nobody know."""
    points, batch, features = clouds()
    narrow = sample_set(GLPlus(2), 5, spread=0.1, dtype=torch.float64)
    wide = sample_set(GLPlus(2), 5, spread=0.5, dtype=torch.float64)
    lift, conv = (
        PointLifting(GLPlus(2), 3, 4, hidden=8).double(),
        PointGroupConvolution(GLPlus(2), 4, 5, hidden=8).double(),
    )
    cloud = neighborhood(points, narrow, 1.0, batch)
    assert cloud.stretch == pytest.approx(float(torch.linalg.svdvals(narrow.elements).max()))
    lifted = lift(features, cloud, narrow)
    for layer, arguments in ((lift, (features, cloud, wide)), (conv, (lifted, cloud, narrow, wide))):
        with pytest.raises(InvalidInput, match=r"samples stretch by up to .*; build it for these samples"):
            layer(*arguments)
    assert conv(lifted, neighborhood(points, wide, 1.0, batch), narrow, wide).shape == (40, 5, 5)


def test_one_dtype_for_all():
    points, batch, features = clouds()
    samples = sample_set(SO(2), 4, dtype=torch.float64)
    cloud = neighborhood(points, samples, 1.0, batch)
    lift, conv = PointLifting(SO(2), 3, 4, hidden=8).double(), PointGroupConvolution(SO(2), 4, 5, hidden=8).double()
    lifted = lift(features, cloud, samples)
    with pytest.raises(InvalidInput, match=r"one dtype, got torch\.float32, torch\.float64 and torch\.float64"):
        lift(features.float(), cloud, samples)
    with pytest.raises(InvalidInput, match="must have one dtype"):
        lift(features, cloud, samples.to(dtype=torch.float32))
    with pytest.raises(InvalidInput, match="must have one dtype"):
        conv(lifted, cloud, samples, samples.to(dtype=torch.float32))
    lift.float(), conv.float()
    with pytest.raises(InvalidInput, match=r"one dtype, got torch\.float64, torch\.float64 and torch\.float32"):
        conv(lifted, cloud, samples)
    with pytest.raises(InvalidInput, match=r"the points are torch\.float64, samples torch\.float32"):
        lift(features.float(), cloud, samples.to(dtype=torch.float32))
