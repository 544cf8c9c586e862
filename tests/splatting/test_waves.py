"""Waves open where the picture asks for them, and only there."""

import math

import pytest
import torch

from geokit.geometry import Splats
from geokit.splatting import render
from geokit.splatting.optimizer import SplatOptimizer
from geokit.splatting.waves import (
    HIGH,
    LOW,
    attenuation_penalty,
    cycles_per_sigma,
    open_waves,
    probe_waves,
    random_frequencies,
    reopen_waves,
)
from tests.reference import projection, scenes
from tests.splatting.worlds import colorful_splats, front_camera, one_splat, random_scene


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def whitened(splats: Splats, frequencies: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """(N, K, 3) diag(scales) R' f."""
    return (frequencies @ projection.rotation_matrices(splats.quats)) * scales[:, None]


def many_splats(scales: tuple[float, float, float], count: int = 2000) -> Splats:
    splats = colorful_splats(count)
    return splats.replace(log_scales=torch.tensor(scales).log().repeat(count, 1))


def test_frequencies_of_round_splats_are_log_uniform_and_point_everywhere():
    splats = many_splats((0.3, 0.3, 0.3))
    frequencies = random_frequencies(splats, 3, seeded())
    assert frequencies.shape == (2000, 3, 3)
    cycles = cycles_per_sigma(splats.replace(wave_frequencies=frequencies, wave_weights=torch.zeros(2000, 3, 2)))
    assert bool((cycles >= LOW * 0.9999).all())
    assert bool((cycles <= HIGH * 1.0001).all())
    share = ((cycles.flatten() / LOW).log() / math.log(HIGH / LOW)).sort().values
    assert float((share - torch.linspace(0, 1, 6000)).abs().max()) < 0.03, "Kolmogorov-Smirnov against uniform"
    direction = torch.nn.functional.normalize(frequencies.flatten(0, 1), dim=1)
    assert float(direction.mean(0).abs().max()) < 0.03
    torch.testing.assert_close(direction.T @ direction / 6000, torch.eye(3) / 3, rtol=0, atol=0.03)


@pytest.mark.parametrize("scales", [(0.3, 0.2, 0.002), (2.0, 0.01, 0.01), (0.1, 0.2, 0.4)])
def test_in_the_bounded_whitened_axes_every_length_is_in_the_range(scales):
    splats = many_splats(scales, 500)
    frequencies = random_frequencies(splats, 4, seeded())
    bounded = splats.log_scales.exp().clamp_min(sorted(scales)[1])
    local = whitened(splats, frequencies, bounded)
    assert bool((local.norm(dim=-1) >= LOW * 0.999).all())
    assert bool((local.norm(dim=-1) <= HIGH * 1.001).all())
    assert bool((cycles_per_sigma(with_waves(splats, frequencies)) <= HIGH * 1.001).all())
    spread = local.flatten(0, 1).square().mean(0)
    assert float(spread.max() / spread.min()) < 1.3, "no axis is preferred"


def with_waves(splats: Splats, frequencies: torch.Tensor) -> Splats:
    return splats.replace(wave_frequencies=frequencies, wave_weights=torch.zeros(*frequencies.shape[:2], 2))


def test_a_thin_axis_asks_for_no_extreme_frequency():
    splats = many_splats((0.3, 0.2, 1e-5), 200)
    assert float(random_frequencies(splats, 4, seeded()).norm(dim=-1).max()) < HIGH / 0.2 * 1.001


def test_cycles_per_sigma_by_definition():
    splats, _ = random_scene(0, count=7, waves=3)
    covariances = projection.covariances(splats.quats, splats.log_scales.exp())
    expected = torch.einsum("nki,nij,nkj->nk", splats.wave_frequencies, covariances, splats.wave_frequencies).sqrt()
    torch.testing.assert_close(cycles_per_sigma(splats), expected)
    assert cycles_per_sigma(random_scene(0, count=7, waves=0)[0]).shape == (7, 0)


def test_the_penalty_begins_at_the_cap():
    splats, _ = random_scene(0, count=7, waves=3)
    cycles = cycles_per_sigma(splats)
    assert float(attenuation_penalty(splats, float(cycles.max()) + 1e-9)) == 0
    expected = (cycles - 0.5).clamp_min(0).square().mean()
    assert expected > 0
    torch.testing.assert_close(attenuation_penalty(splats, 0.5), expected)
    assert float(attenuation_penalty(random_scene(0, waves=0)[0])) == 0
    leaf = (10 * splats.wave_frequencies).requires_grad_()
    (gradient,) = torch.autograd.grad(attenuation_penalty(splats.replace(wave_frequencies=leaf)), leaf)
    beyond = cycles_per_sigma(splats.replace(wave_frequencies=leaf)) > 3
    assert beyond.any()
    assert torch.equal((gradient != 0).any(-1), beyond)
    assert bool(((gradient * leaf).sum(-1) >= 0).all()), "descending makes frequencies smaller"


def test_probing_finds_the_grating():
    """One splat that fills the picture, before a sinusoidal target: the best candidate is that sinusoid."""
    camera, (width, height), focal, depth, sigma = front_camera(48, 36, 40.0), (48, 36), 40.0, 2.0, 0.5
    splats = one_splat(depth, sigma, opacity=0.5, color=(1.0, 1.0, 1.0), dtype=torch.float32)
    true = torch.tensor([0.06, 0.035])  # cycles a pixel; times 40 / 2 * 0.5 = 0.69 cycles a standard deviation
    y, x = torch.meshgrid(torch.arange(height) + 0.5 - 18, torch.arange(width) + 0.5 - 24, indexing="ij")
    envelope = render(splats, camera).image
    target = envelope * (1 + 0.5 * torch.cos(2 * math.pi * (true[0] * x + true[1] * y) + 0.9))[..., None]

    def loss_of(candidate: Splats, view: int) -> torch.Tensor:
        assert view == 7
        return (render(candidate, camera).image - target).square().mean()

    frequencies, slopes = probe_waves(splats, [7], loss_of, seeded(), candidates=256, at_once=16)
    assert frequencies.shape == (1, 256, 3)
    assert slopes.shape == (1, 256)
    assert bool((slopes[0, :-1] >= slopes[0, 1:]).all()), "best first"
    assert slopes[0, 0] > 8 * slopes[0].median()
    for best in frequencies[0, :3]:
        seen = best[:2] * depth / focal  # the affine map at the optical axis; z is not seen
        seen = seen * torch.sign(seen @ true)
        assert float((seen - true).norm()) < 0.03  # a splat of 10 pixels tells waves 1 / (2 pi 10) = 0.016 apart
        assert float(best[2].abs()) < 0.5 / sigma, "a wave along the ray averages out"


def recorded_loss(splats: Splats, view: int) -> torch.Tensor:
    """Any differentiable function with a gradient to the weights that depends on the frequencies and the view."""
    weights = splats.wave_weights
    waves = torch.stack([splats.wave_frequencies.norm(dim=-1), splats.wave_frequencies.sum(-1)], -1)
    return (waves * weights).sum() * (view + 1) + weights.square().sum()


def test_slopes_sum_the_gradients_over_the_views():
    splats = colorful_splats(5)
    frequencies, slopes = probe_waves(splats, [0, 2], recorded_loss, seeded(), candidates=6, at_once=3)
    expected = 4 * torch.stack([frequencies.norm(dim=-1), frequencies.sum(-1)], -1).norm(dim=-1)
    torch.testing.assert_close(slopes, expected)


def test_open_waves_gives_each_splat_its_best_and_changes_no_picture():
    splats = colorful_splats(5)
    optimizer = SplatOptimizer(splats)
    open_waves(optimizer, 2, [0], recorded_loss, seeded())
    best, _ = probe_waves(splats, [0], recorded_loss, seeded())
    torch.testing.assert_close(optimizer.splats.wave_frequencies.detach(), best[:, :2])
    torch.testing.assert_close(optimizer.frequency_units[:, 0, 0], 1 / splats.log_scales.mean(1).exp())
    assert not optimizer.splats.wave_weights.detach().any()
    camera = front_camera()
    moved = splats.replace(means=splats.means + torch.tensor([0.0, 0.0, 4.0]))
    opened = optimizer.splats.replace(means=moved.means)
    assert torch.equal(render(opened, camera).image, render(moved, camera).image)
    for name, tensor in splats.tensors().items():
        if not name.startswith("wave"):
            assert torch.equal(optimizer.parameters[name], tensor)


def gabor_optimizer() -> SplatOptimizer:
    """5 splats of 3 waves with moments; dead are (0, 1), all of row 2, and (4, 0)."""
    splats = random_scene(3, count=5, waves=3)[0].to(torch.float32)
    dead = torch.zeros(5, 3, dtype=torch.bool)
    dead[0, 1] = dead[2, 0] = dead[2, 1] = dead[2, 2] = dead[4, 0] = True
    weights = torch.where(dead[..., None], 1e-3, 0.3) * torch.ones(5, 3, 2)
    units = 1 + torch.arange(5.0)[:, None, None]
    optimizer = SplatOptimizer(splats)
    optimizer.set_waves(splats.wave_frequencies / units, weights, units)
    for moments in (optimizer.first_moments, optimizer.second_moments):
        for name, moment in moments.items():
            moment.copy_(1 + torch.rand(moment.shape, generator=scenes.generator(len(name))))
    return optimizer


def test_reopen_waves_touches_dead_waves_only():
    optimizer = gabor_optimizer()
    before = {name: t.clone() for name, t in optimizer.state().items()}
    dead = before["wave_weights"].norm(dim=2) < 0.02
    assert reopen_waves(optimizer, [0], recorded_loss, seeded()) == 5
    after = optimizer.state()
    for name, tensor in after.items():
        if "wave" not in name:
            assert torch.equal(tensor, before[name]), name
            continue
        assert torch.equal(tensor[~dead], before[name][~dead]), name
        assert bool((tensor[dead] != before[name][dead]).any(-1).all()), name
        if not name.endswith("frequencies") or "moment." in name:
            assert not tensor[dead].any(), name
    best, _ = probe_waves(optimizer.splats, [0], recorded_loss, seeded())
    found = optimizer.splats.wave_frequencies.detach()
    for row, wave in dead.nonzero().tolist():
        torch.testing.assert_close(found[row, wave], best[row, wave], rtol=1e-4, atol=1e-4)


def test_reopening_keeps_the_present_waves_in_the_picture():
    """What the live waves explain already is not in the residual: probing must see them."""
    seen = []

    def loss_of(splats: Splats, view: int) -> torch.Tensor:
        seen.append(splats)
        return recorded_loss(splats, view)

    optimizer = gabor_optimizer()
    present = optimizer.splats.map(lambda t: t.detach().clone())
    reopen_waves(optimizer, [0, 1], loss_of, seeded())
    assert seen
    for splats in seen:
        assert torch.equal(splats.wave_frequencies[:, :3], present.wave_frequencies)
        assert torch.equal(splats.wave_weights[:, :3], present.wave_weights)
        assert not splats.wave_weights[:, 3:].detach().any()
        assert splats.waves <= 16, "what the rasterizer carries"


@pytest.mark.parametrize("waves", [9, 12, 15, 16])
def test_reopening_many_waves_stays_within_what_the_rasterizer_carries(waves):
    splats, camera = random_scene(3, count=4, waves=waves)
    splats = splats.to(torch.float32)
    weights = torch.full((4, waves, 2), 0.1)
    weights[0, 2] = weights[1, waves - 1] = 0
    optimizer = SplatOptimizer(splats.replace(wave_weights=weights))
    present = []

    def loss_of(probed: Splats, view: int) -> torch.Tensor:
        present.append(probed.wave_weights.detach().norm(dim=2).gt(0).sum(1).tolist())
        return render(probed, camera).image.mean()

    assert reopen_waves(optimizer, [0], loss_of, seeded()) == 2
    live = [waves - 1, waves - 1, min(waves, 15), min(waves, 15)]
    assert all(counts == live for counts in present), "waves of dead splats give way, others stay in the picture"
    changed = (optimizer.splats.wave_frequencies != splats.wave_frequencies).any(-1)
    assert changed.nonzero().tolist() == [[0, 2], [1, waves - 1]]


def test_without_dead_waves_nothing_happens():
    optimizer = gabor_optimizer()
    with torch.no_grad():
        optimizer.parameters["wave_weights"].fill_(0.3)
    generator = seeded()
    state = generator.get_state()
    assert reopen_waves(optimizer, [0], recorded_loss, generator) == 0
    assert torch.equal(generator.get_state(), state)


def test_probing_depends_on_its_generator_alone():
    splats = colorful_splats(5)
    torch.manual_seed(1)
    first = probe_waves(splats, [0], recorded_loss, seeded())
    torch.manual_seed(2)
    second, other = (probe_waves(splats, [0], recorded_loss, seeded(seed)) for seed in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    assert not torch.equal(first[0], other[0])
