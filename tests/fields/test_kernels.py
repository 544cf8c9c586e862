"""Shapes of kernels, and how long the pairs found for them may be held."""

import pytest
import torch

from geokit.backend.radial_pairs import radial_pairs
from geokit.errors import InvalidInput
from geokit.fields.kernels import (
    SHAPES,
    HeldPairs,
    RadialKernels,
    factors_of,
    kernel_size,
    octaves,
    parameters_of,
    shape_size,
    stay_valid,
)
from tests.fields.radial_models import generator, kernels


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_parameter_gives_a_positive_shape_and_comes_back(shape, d):
    parameters = 3 * torch.randn(50, shape_size(shape, d), generator=generator(), dtype=torch.float64)
    factors = factors_of(parameters, shape, d)
    assert factors.shape == (50, d * (d + 1) // 2)
    assert (factors[:, [k * (k + 3) // 2 for k in range(d)]] > 0).all()
    torch.testing.assert_close(parameters_of(factors, shape, d), parameters)
    assert kernel_size(shape, d, 4) == d + shape_size(shape, d) + 4
    assert sum(p.numel() for p in kernels(d, 1, shape=shape).parameters()) == kernel_size(shape, d, 2)
    assert sum(p.numel() for p in kernels(d, 1, "gabor", shape).parameters()) == kernel_size(shape, d, 2, "gabor")


@pytest.mark.parametrize("kernel", ["gaussian", "hat", "gabor"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_pairs_held_with_a_skin_miss_nothing_while_they_are_valid(kernel, d):
    """Kernels move by ever more: as long as `stay_valid` says so, every pair that is needed is among those held."""
    x = torch.rand(100, d, generator=generator(1), dtype=torch.float64)
    model = kernels(d, kernel=kernel, skin=0.2)
    before = model.pairs(x)
    hat = kernel == "hat"
    kept = 0
    for step in range(1, 30):
        g = generator(step)
        with torch.no_grad():
            size = 1e-3 * 1.3**step
            for p in (model.centres, model.shape_parameters):
                p.add_(size * torch.randn(p.shape, generator=g, dtype=p.dtype))
        held = next(iter(model._held.values()))
        reach = d**0.5 if hat else model.support
        valid = stay_valid(held, model.centres.detach(), model.factors().detach(), reach)
        assert (model.pairs(x) is before) == valid
        if not valid:
            break
        kept += 1
        needed = radial_pairs(x, model.centres, model.factors(), model.support, hat)
        found, wanted = ({(int(q), int(k)) for q, k in zip(*p.owners())} for p in (before, needed))
        assert wanted <= found
        fresh = RadialKernels.sums(model, x + 0, 1)
        torch.testing.assert_close(model.sums(x, 1), fresh, rtol=1e-12, atol=1e-12)
    assert 0 < kept < 29


def test_a_move_that_loses_a_pair_is_not_valid():
    x = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    centres, factors = torch.tensor([[3.05, 0.0]]).double(), torch.tensor([[1.0, 0.0, 1.0]]).double()
    held = HeldPairs(radial_pairs(x, centres, factors, 3.04), x, centres, factors, 0.04)
    assert len(held.pairs) == 0
    assert stay_valid(held, centres - 0.02, factors, 3.0)
    assert not stay_valid(held, centres - 0.06, factors, 3.0)
    assert not stay_valid(held, centres, factors * 0.98, 3.0)
    assert stay_valid(held, centres, factors * 0.999, 3.0)


def test_points_that_change_in_place_are_looked_at_again():
    model, x = kernels(), torch.rand(50, 2, dtype=torch.float64, generator=generator(2))
    before = model.sums(x)
    x.add_(0.3)
    assert not torch.equal(model.sums(x), before)
    torch.testing.assert_close(model.sums(x), model.sums(x.clone()))


def test_bad_kernels_are_told():
    good = {
        "centres": torch.rand(4, 2),
        "factors": torch.tensor([[1.0, 0.0, 1.0]]).repeat(4, 1),
        "features": torch.rand(4, 3),
    }
    for wrong, words in (
        ({"kernel": "gauss"}, "one of inverse_quadratic"),
        ({"shape": "round"}, "one of isotropic"),
        ({"kernel": "gabor"}, "waves and phases"),
        ({"waves": torch.rand(4, 2), "phases": torch.rand(4)}, "waves and phases"),
        ({"features": torch.rand(3, 3)}, "features must have shape"),
        ({"factors": -good["factors"]}, "positive diagonals"),
        ({"centres": good["centres"] * float("nan")}, "finite"),
        ({"support": -1.0}, "support must be"),
        ({"kernel": "hat", "support": 2.0}, "ends at 1"),
        ({"skin": -0.1}, "skin"),
        ({"frequencies": torch.ones(2)}, "frequencies"),
    ):
        with pytest.raises(InvalidInput, match=words):
            RadialKernels(**{**good, **wrong})


def test_octaves():
    torch.testing.assert_close(octaves(4, 0.125, 1.0), torch.tensor([0.125, 0.25, 0.5, 1.0]))
    for arguments in ((0, 1.0, 2.0), (3, 0.0, 1.0), (3, 2.0, 1.0)):
        with pytest.raises(InvalidInput, match="frequencies"):
            octaves(*arguments)
