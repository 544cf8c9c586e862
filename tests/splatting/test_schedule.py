"""How a run changes over time, as laws: what starts where, what never grows, what ends where."""

from itertools import pairwise

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.geometry import Splats
from geokit.splatting.schedule import TrainConfig, learning_rates, reduction, sh_degree

ALONG = [i / 200 for i in range(201)]


def gabor_splats(count: int = 3, coefficients: int = 9, waves: int = 2) -> Splats:
    shapes = ((3,), (4,), (3,), (), (coefficients, 3), (waves, 3), (waves, 2))
    return Splats(*(torch.zeros(count, *shape) for shape in shapes))


@pytest.mark.parametrize("smallest", [20, 64, 127, 128, 200, 255, 256, 1000])
def test_pictures_grow_to_full_size_and_never_shrink_below_64_pixels(smallest):
    levels = [reduction(TrainConfig(), progress, smallest) for progress in ALONG]
    assert all(a >= b >= 0 for a, b in pairwise(levels))
    assert levels[-1] == 0
    assert levels.index(0) <= 100, "at least half of the run sees the full pictures"
    assert min(smallest, 64) <= smallest >> levels[0]
    assert levels[0] == (0 if smallest < 128 else 1 if smallest < 256 else 2)


def test_without_progression_pictures_are_whole():
    assert {reduction(TrainConfig(progressive=False), progress, 4000) for progress in ALONG} == {0}


@pytest.mark.parametrize("highest", [0, 1, 2, 3])
def test_harmonics_open_one_by_one_over_the_first_half(highest):
    degrees = [sh_degree(TrainConfig(sh_degree=highest), progress) for progress in ALONG]
    assert degrees[0] == 0
    assert all(0 <= b - a <= 1 for a, b in pairwise(degrees))
    assert set(degrees[100:]) == {highest}
    assert set(degrees) == set(range(highest + 1))
    lasts = [degrees[:100].count(degree) for degree in range(highest + 1)]
    assert max(lasts) - min(lasts) <= 1


def test_the_rate_of_the_means_decays_exponentially_in_scene_extents():
    config, splats = TrainConfig(), gabor_splats()
    rates = [float(learning_rates(config, splats, 3.0, progress)["means"][0]) for progress in (0.0, 0.5, 1.0)]
    assert rates[0] == pytest.approx(3.0 * config.means_rate)
    assert rates[2] == pytest.approx(3.0 * config.means_rate * config.means_rate_decay)
    assert rates[1] ** 2 == pytest.approx(rates[0] * rates[2])


def test_there_is_a_rate_for_every_value_of_a_row_and_none_of_them_grows():
    config = TrainConfig()
    for splats in (gabor_splats(), gabor_splats(coefficients=1, waves=0)):
        start, end = (learning_rates(config, splats, 1.0, progress) for progress in (0.0, 1.0))
        for name, tensor in splats.tensors().items():
            assert start[name].shape == (tensor[0].numel(),), name
            assert start[name].dtype == tensor.dtype
            assert bool((end[name] > 0).all()), name
            assert bool((end[name] <= start[name]).all()), name


def test_rates_at_the_start_are_the_configured_ones():
    config = TrainConfig()
    rates = learning_rates(config, gabor_splats(), 1.0, 0.0)
    for name, value in (
        ("quats", config.quats_rate),
        ("log_scales", config.scales_rate),
        ("logit_opacities", config.opacities_rate),
        ("wave_frequencies", config.frequency_rate),
        ("wave_weights", config.weight_rate),
    ):
        assert rates[name].tolist() == [pytest.approx(value)] * len(rates[name])
    assert rates["sh_coeffs"][:3].tolist() == [pytest.approx(config.sh_rate)] * 3
    assert rates["sh_coeffs"][3:].tolist() == [pytest.approx(config.sh_rate / 20)] * 24


def test_only_the_means_follow_the_extent():
    small, large = (learning_rates(TrainConfig(), gabor_splats(), extent, 0.3) for extent in (1.0, 10.0))
    for name, rates in small.items():
        torch.testing.assert_close(large[name], rates * (10 if name == "means" else 1))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"primitive": "gausian"}, "primitive must be 'gaussian' or 'gabor', got 'gausian'"),
        ({"strategy": "none"}, "strategy must be 'mcmc' or 'classic', got 'none'"),
        ({"waves": 0}, "waves must be 1 to 16, got 0"),
        ({"waves": 17}, "waves must be 1 to 16, got 17"),
        ({"max_splats": 0}, "max_splats and initial_splats must be positive, got 0"),
        ({"initial_splats": -1}, "max_splats and initial_splats must be positive, got .* and -1"),
        ({"sh_degree": 4}, "sh_degree must be 0 to 3, got 4"),
        ({"sh_degree": -1}, "sh_degree must be 0 to 3, got -1"),
        ({"background": (0.0, 0.0)}, "background must be three numbers"),
        ({"background": (0.0, 0.0, 1.5)}, r"background must be three numbers in \[0, 1\], got \(0.0, 0.0, 1.5\)"),
        ({"background": (0.0, 0.0, float("nan"))}, "background must be three numbers"),
    ],
)
def test_wrong_choices(changes, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        TrainConfig(**changes)
