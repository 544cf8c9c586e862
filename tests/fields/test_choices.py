"""What is chosen before training: frequencies by spectra, resolutions by information."""

import itertools
import math

import pytest
import torch

from geokit.errors import InvalidInput
from geokit.fields import FourierField, SirenField, adaptive_resolutions, choose_frequency
from geokit.fields.frequency import spectrum
from geokit.fields.resolutions import band_entropies, minimax_bands


def waves(periods, height=48, width=48, channels=1, seed=0):
    """An image of a few waves of about so many periods across, in [0, 1]."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    angles, phases = torch.rand(2, 12, channels, generator=g) * 2 * math.pi
    along = x[..., None, None] * angles.cos() + y[..., None, None] * angles.sin()
    picture = (2 * math.pi * periods * along + phases).cos().sum(2)
    return (picture - picture.min()) / (picture.max() - picture.min())


def test_spectrum_of_one_wave_is_in_its_bin():
    y, x = torch.meshgrid(torch.arange(32) / 32, torch.arange(32) / 32, indexing="ij")
    for kx, ky in ((3, 0), (2, 5), (4, -3)):
        picture = (2 * math.pi * (kx * x + ky * y)).cos()[..., None]
        shares = spectrum(picture + 0.5, 64)
        assert int(shares.argmax()) + 1 == abs(kx) + abs(ky)
        assert shares.max() > 0.99


@pytest.mark.parametrize("kind", ["waves", "siren"])
def test_finer_images_choose_higher_frequencies(kind):
    bounds = torch.tensor([[0.0, 0.0], [48.0, 48.0]])

    def make(frequency, seed):
        if kind == "siren":
            return SirenField(bounds, 1, 32, 2, frequency, seed)
        return FourierField(bounds, 1, 32, frequency, 32, 1, seed=seed)

    candidates = [5.0, 30.0, 90.0] if kind == "siren" else [1.0, 4.0, 12.0]
    chosen = []
    for periods in (1, 12):
        best, distances = choose_frequency(waves(periods), make, candidates, initialisations=3)
        assert list(distances) == candidates
        assert best == min(distances, key=distances.get)
        assert (best, distances) == choose_frequency(waves(periods), make, candidates, initialisations=3)
        chosen.append(best)
    assert chosen[0] < chosen[1]


def test_images_without_a_spectrum_get_a_sentence():
    def make(frequency, seed):
        return SirenField(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), 1, 4, 1, frequency, seed)

    flat = torch.full((20, 30, 1), 0.7)
    with pytest.raises(InvalidInput, match="one colour"):
        choose_frequency(flat, make, [3.0])
    with pytest.raises(InvalidInput, match="finite"):
        choose_frequency(flat * float("nan"), make, [3.0])
    with pytest.raises(InvalidInput, match="candidate"):
        choose_frequency(waves(2), make, [])
    with pytest.raises(InvalidInput, match="4 pixels"):
        choose_frequency(waves(2)[:3], make, [3.0])
    with pytest.raises(InvalidInput, match="2 channels"):
        choose_frequency(waves(2, channels=2), make, [3.0])


def test_distances_are_scipys():
    from scipy.stats import wasserstein_distance

    image = waves(6)
    field = SirenField(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), 1, 8, 1, 12.0)
    _, distances = choose_frequency(image, lambda frequency, seed: field, [12.0], initialisations=1, bins=20)
    middles = (torch.arange(48) + 0.5) / 48
    points = torch.stack(torch.meshgrid(middles, middles, indexing="xy"), -1)
    drawn = field(points).detach()
    places = range(1, 21)
    wanted = wasserstein_distance(places, places, spectrum(drawn, 20), spectrum(image, 20))
    assert distances[12.0] == pytest.approx(wanted, rel=1e-4)


def test_bands_are_the_best_of_all():
    g = torch.Generator().manual_seed(3)
    for bands in (1, 2, 4, 9):
        counts = torch.rand(9, generator=g).tolist()
        ends = minimax_bands(counts, bands)
        assert len(ends) == bands
        assert ends[-1] == 9
        assert all(a < b for a, b in zip([0, *ends], ends))

        def worst(ends, counts=counts):
            return max(sum(counts[a:b]) for a, b in zip([0, *ends], ends))

        every = (worst([*cuts, 9]) for cuts in itertools.combinations(range(1, 9), bands - 1))
        assert worst(ends) == pytest.approx(min(every))


def test_resolutions_follow_the_detail():
    coarse = adaptive_resolutions(waves(3, 64, 64), 4, 10**6, 4, 32)
    fine = adaptive_resolutions(waves(14, 64, 64), 4, 10**6, 4, 32)
    assert len(coarse) == len(fine) == 4
    for found in (coarse, fine):
        assert list(found) == sorted(set(found))
        assert found[-1] == 32
    assert sum(coarse) < sum(fine)


def test_entropies_are_of_the_bands_that_hold_waves():
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    wave = (math.pi * 20 / 64 * x).cos()[..., None] + 0 * y[..., None]  # 10 periods across: 20 cells
    entropies = band_entropies(wave, [8, 16, 24, 32])
    assert entropies[2] > 4
    assert max(entropies[0], entropies[1], entropies[3]) < 1e-6


def test_few_rows_spread_the_levels_and_many_rows_refine_them():
    image = waves(9, 64, 48, 3) * 0.5 + 0.5 * torch.rand(64, 48, 3, generator=torch.Generator().manual_seed(1))
    few, many = (adaptive_resolutions(image, 5, rows, 4, 60) for rows in (64, 10**6))
    assert sum(few) < sum(many)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"levels": 0}, "levels"), ({"levels": 99}, "levels"), ({"rows": 0}, "rows"), ({"finest": 2}, "coarsest")],
)
def test_wrong_options_get_a_sentence(options, words):
    with pytest.raises(InvalidInput, match=words):
        adaptive_resolutions(waves(3), **{"levels": 3, "rows": 100, "finest": 20, **options})


def test_one_colour_has_no_resolution():
    with pytest.raises(InvalidInput, match="one colour"):
        adaptive_resolutions(torch.ones(8, 9, 3), 2, 100, 1)
    with pytest.raises(InvalidInput, match="finite"):
        adaptive_resolutions(torch.full((8, 9, 3), float("nan")), 2, 100, 1)
