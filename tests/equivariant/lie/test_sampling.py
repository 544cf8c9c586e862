"""Sets of samples: what they hold, their laws, and that the even ones integrate better."""

import math

import pytest
import torch

from geokit.equivariant.lie import SE, SL, SO, Affine, GLPlus, O, Sim, rotation_set, sample_set
from geokit.equivariant.lie.rotation_sets import equidistant_rotations, uniform_points
from geokit.errors import InvalidInput

GROUPS = [
    SO(1), SO(2), SO(3), SO(4), O(2), O(3), SE(2), Sim(3), SL(2), SL(3), GLPlus(2), GLPlus(3), GLPlus(4),
    Affine(GLPlus(2)), Affine(O(3)),
]  # fmt: skip


@pytest.mark.parametrize("method", ["low_discrepancy", "random"])
@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_contents(group, method):
    samples = sample_set(group, 20, method=method, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert len(samples) == 20
    group.check(samples.elements)
    assert torch.allclose(group.recompose(samples.x, samples.k), samples.elements, atol=1e-13)
    assert torch.allclose(samples.elements @ samples.inverses, group.identity(20), atol=1e-12)
    assert torch.equal(samples.weights, torch.ones(20, dtype=torch.float64))
    assert float(samples.mass) == 1
    assert torch.allclose(samples.features, group.features(samples.elements), atol=1e-12)
    proper = samples.coordinates.isfinite().all(-1)
    assert torch.allclose(samples.coordinates[proper], group.coordinates(samples.elements)[proper], atol=1e-6)
    if not group.contains(group.identity() * torch.tensor([-1.0] + [1.0] * (group.size - 1), dtype=torch.float64)):
        assert bool(proper.all())
    else:
        assert 3 <= int(proper.sum()) <= 17
    single = samples.to(dtype=torch.float32)
    assert single.elements.dtype == single.weights.dtype == torch.float32
    assert repr(group) in repr(single)


def test_repeatable_without_a_generator_and_moved_with_one():
    group = GLPlus(2)
    first, second = (sample_set(group, 12).elements for _ in range(2))
    assert torch.equal(first, second)
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 0, 1)]
    a, b, c = (sample_set(group, 12, generator=generator).elements for generator in generators)
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)


def test_equidistant_angles_have_no_duplicate():
    for count in (1, 2, 5, 10):
        angles = SO(2).coordinates(equidistant_rotations(count, offset=0.1))[:, 0] / 2**0.5
        sorted_angles = angles.sort().values
        gaps = torch.diff(torch.cat([sorted_angles, sorted_angles[:1] + 2 * math.pi]))
        assert torch.allclose(gaps, torch.full_like(gaps, 2 * math.pi / count))
        assert float((angles - 0.1).abs().min()) < 1e-12
    # A turn by one step carries the set onto itself.
    samples = sample_set(SO(2), 6, dtype=torch.float64)
    turned = equidistant_rotations(6)[1] @ samples.elements
    assert torch.allclose(turned, samples.elements.roll(-1, 0), atol=1e-14)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_rotation_sets_have_the_moments_of_haar_measure(n):
    """E[R_ij] = 0 and E[R_ij R_kl] = delta_ik delta_jl / n, far closer than by chance; for n > 3 the first column is,
    and the later ones, which depend on more numbers, are no worse."""
    count = 4096
    rotations = rotation_set(n, count)
    chance = 1 / count**0.5
    means = rotations.mean(0).abs()
    assert float(means[:, 0].max()) < 0.1 * chance
    assert float(means.max()) < (0.1 if n < 4 else 3.5 / n**0.5) * chance
    flat = rotations.flatten(1)
    want = torch.eye(n * n, dtype=torch.float64) / n
    if n == 2:  # there R_00 = R_11 and R_01 = -R_10
        want = torch.tensor([[1, 0, 0, 1], [0, 1, -1, 0], [0, -1, 1, 0], [1, 0, 0, 1]], dtype=torch.float64) / 2
    assert float((flat.T @ flat / count - want).abs().max()) < (0.1 if n < 4 else 3.5 / n) * chance
    assert float((rotations @ rotations.mT - torch.eye(n, dtype=torch.float64)).abs().max()) < 1e-12
    assert torch.allclose(torch.linalg.det(rotations), torch.ones(count, dtype=torch.float64))


@pytest.mark.parametrize("group", [SO(3), SO(4), O(2), GLPlus(2)], ids=repr)
def test_random_rotations_have_the_moments_of_haar_measure(group):
    flat = sample_set(group, 20_000, method="random", generator=torch.Generator().manual_seed(0)).k.flatten(1)
    assert float(flat.mean(0).abs().max()) < 5 * (1 / group.n / 20_000) ** 0.5
    assert torch.allclose(flat.square().mean(0), torch.full((group.n**2,), 1 / group.n), atol=0.02)


@pytest.mark.parametrize("method", ["low_discrepancy", "random"])
def test_complement_is_normal_with_the_spread(method):
    spread = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    group = Affine(GLPlus(2))
    samples = sample_set(group, 8192, spread=spread, method=method, dtype=torch.float64)
    v = group.complement_vee(samples.x)
    assert torch.allclose(v.std(0), spread.double(), rtol=0.05)
    assert float((v.mean(0) / spread).abs().max()) < 0.05
    correlation = torch.corrcoef(torch.cat([v, samples.features[:, 5:]], dim=-1).T) - torch.eye(7, dtype=torch.float64)
    assert float(correlation.abs().max()) < 0.05


def smooth(samples):
    """What a lifting layer integrates: a kernel at the points g^-1 y."""
    group = samples.group
    points = torch.tensor([[0.3, -0.5, 0.4], [-0.8, 0.1, 0.5]], dtype=torch.float64)[:, : group.n]
    moved = group.act(samples.inverses[:, None], points)
    kernel = torch.exp(-moved.square().sum(-1)) * (1 + moved[..., 0] + torch.tanh(moved[..., 1]))
    return kernel.sum(-1)


@pytest.mark.parametrize("group", [GLPlus(2), SL(2), SE(2), SO(3), GLPlus(3)], ids=repr)
def test_even_sets_integrate_better_than_random_ones(group):
    """Root mean square errors over 20 sets of 256, against a mean of 2^17 even samples: a third and less."""
    exact = smooth(sample_set(group, 2**17, dtype=torch.float64)).mean()

    def error(method):
        generator = torch.Generator().manual_seed(3)
        sets = [sample_set(group, 256, method=method, generator=generator, dtype=torch.float64) for _ in range(20)]
        return float(torch.stack([smooth(one).mean() - exact for one in sets]).square().mean().sqrt())

    even, chance = error("low_discrepancy"), error("random")
    print(f"{group}: even {even:.2e}, random {chance:.2e}, ratio {chance / even:.1f}")
    assert 3 * even < chance


@pytest.mark.parametrize("side", ["left", "right"])
def test_importance_weights(side):
    """weights * mass is the density of Haar measure over that of the law: the integral of a Gaussian is known."""
    group = Affine(GLPlus(2))
    spread = 0.5
    samples = sample_set(group, 4096, spread=spread, haar=True, side=side, dtype=torch.float64)
    assert float(samples.weights.mean()) == pytest.approx(1.0)
    v = group.complement_vee(samples.x)
    law = torch.exp(-0.5 * (v / spread).square().sum(-1)) / (2 * math.pi * spread**2) ** 2.5
    assert torch.allclose(samples.mass * samples.weights * law, group.haar_density(samples.x, side), rtol=1e-9)
    narrow = torch.exp(-0.5 * (v / 0.4).square().sum(-1)) / group.haar_density(samples.x, side)
    assert float(samples.mass * (samples.weights * narrow).mean()) == pytest.approx(
        (2 * math.pi * 0.16) ** 2.5, rel=0.02
    )
    assert float(sample_set(SO(3), 10, haar=True).mass) == pytest.approx(1.0)


def test_points_of_the_cube():
    points = uniform_points(1000, 5)
    assert bool(((points > 0) & (points < 1)).all())
    assert uniform_points(7, 0).shape == (7, 0)
    many = torch.stack([uniform_points(1, 2, torch.Generator().manual_seed(seed))[0] for seed in range(300)])
    assert torch.allclose(many.mean(0), torch.full((2,), 0.5, dtype=torch.float64), atol=0.08)


def test_wrong_options():
    for arguments, message in [
        ({"method": "halton"}, "no method 'halton'"),
        ({"count": 0}, "at least one"),
        ({"spread": 0.0}, "spread must be positive"),
        ({"spread": math.inf}, "positive and finite"),
        ({"spread": math.nan}, "positive and finite"),
        ({"offset": math.inf}, "offset of the angles must be finite"),
        ({"spread": torch.ones(4)}, "one for each of the 3"),
        ({"haar": True, "side": "top"}, "'top'"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            sample_set(GLPlus(2), **{"count": 4, **arguments})
    with pytest.raises(InvalidInput, match="n >= 1 and count >= 1"):
        rotation_set(0, 4)
