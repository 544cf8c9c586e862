"""Frequency-adaptive growth: where a Gaussian becomes a Gabor primitive, and with which wave."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from geokit.geometry import Splats
from geokit.geometry.rotations import matrix_from_quaternion
from geokit.splatting.optimizer import SplatOptimizer
from geokit.splatting.primitives import turned
from geokit.splatting.reading import runs_ahead

LOW, HIGH = 0.15, 2.0  # the slowest and the fastest wave that is probed, in cycles per standard deviation
MOST_WAVES = 16  # that the rasterizer lets a splat carry: kMaxWaves of cuda_ext/splatting/rasterize.h


def random_frequencies(splats: Splats, count: int, generator: torch.Generator) -> Tensor:
    """(N, count, 3) random waves in cycles per unit length: log-uniform in cycles per standard deviation.

    The direction is uniform in the splat's own whitened axes (u = diag(s) R' f is what the splat "sees" of a wave), so
    a flat splat is offered waves in its plane.
    """
    n, device = len(splats), splats.means.device
    direction = torch.randn(n, count, 3, generator=generator, device=device)
    direction = torch.nn.functional.normalize(direction, dim=-1)
    cycles = LOW * (HIGH / LOW) ** torch.rand(n, count, 1, generator=generator, device=device)
    scales = splats.log_scales.exp()
    # A thin axis would ask for an extreme frequency along it, which no view resolves: bound it by the median axis.
    floor = scales.sort(dim=1).values[:, 1:2]  # torch's median is not deterministic on a GPU
    local = cycles * direction / scales.maximum(floor)[:, None]
    return local @ matrix_from_quaternion(splats.quats).transpose(1, 2)


def probe_waves(
    splats: Splats,
    views: Sequence[int],
    loss_of: Callable[[Splats, int], Tensor],
    generator: torch.Generator,
    candidates: int = 24,
    at_once: int = 8,
) -> tuple[Tensor, Tensor]:
    """The candidates, best first, and what each would gain: frequencies (N, C, 3), slopes (N, C).

    A wave of weight zero changes nothing, but has a gradient: |dL / d(a, b)|, summed over `views`, is how fast the loss
    would fall if it opened. loss_of(splats, view) renders one view.
    """
    splats = splats.map(torch.Tensor.detach)
    frequencies, slopes = [], []
    for _ in range(candidates // at_once):
        waves = random_frequencies(splats, at_once, generator)
        total = splats.means.new_zeros(len(splats), at_once, 2)
        for view in views:
            weights = torch.zeros_like(total, requires_grad=True)
            loss = loss_of(splats.replace(wave_frequencies=waves, wave_weights=weights), view)
            total += torch.autograd.grad(loss, weights)[0]
        frequencies.append(waves)
        slopes.append(total.norm(dim=-1))
    slope, order = torch.cat(slopes, dim=1).sort(dim=1, descending=True)
    return torch.cat(frequencies, dim=1).gather(1, order[..., None].expand(-1, -1, 3)), slope


def open_waves(
    optimizer: SplatOptimizer,
    count: int,
    views: Sequence[int],
    loss_of: Callable[[Splats, int], Tensor],
    generator: torch.Generator,
) -> None:
    """Give every splat its `count` best probed waves, of weight zero: training opens those that help."""
    splats = optimizer.splats
    frequencies, _ = probe_waves(splats, views, loss_of, generator)
    units = 1 / splats.log_scales.detach().mean(dim=1).exp()[:, None, None]
    optimizer.set_waves(frequencies[:, :count] / units, units.new_zeros(len(splats), count, 2), units)


def reopen_waves(
    optimizer: SplatOptimizer,
    views: Sequence[int],
    loss_of: Callable[[Splats, int], Tensor],
    generator: torch.Generator,
    dead: float = 0.02,
) -> int:
    """Give dead waves (weight below `dead`) the frequency that the residual asks for now; returns how many.

    The present waves stay in the picture while candidates are probed.
    """
    splats = optimizer.splats.map(torch.Tensor.detach)
    frequencies, weights = splats.wave_frequencies, splats.wave_weights
    weak = weights.norm(dim=2) < dead
    if not bool(weak.any()):
        return 0
    if splats.waves == MOST_WAVES:  # the weakest wave of a splat gives way to the candidate
        strongest = weights.norm(dim=2).argsort(dim=1, descending=True)[:, :-1, None]
        frequencies = frequencies.gather(1, strongest.expand(-1, -1, 3))
        weights = weights.gather(1, strongest.expand(-1, -1, 2))

    def beside_present(probed: Splats, view: int) -> Tensor:
        joined = probed.replace(
            wave_frequencies=torch.cat([frequencies, probed.wave_frequencies], dim=1),
            wave_weights=torch.cat([weights, probed.wave_weights], dim=1),
        )
        return loss_of(joined, view)

    at_once = min(8, MOST_WAVES - frequencies.shape[1])
    best, _ = probe_waves(splats, views, beside_present, generator, at_once=at_once)
    with torch.no_grad():
        for k in range(splats.waves):
            target = weak[:, k].nonzero()[:, 0]
            units = optimizer.frequency_units[target, 0]
            optimizer.parameters["wave_frequencies"][target, k] = best[target, k] / units
            optimizer.parameters["wave_weights"][target, k] = 0
            for moments in (optimizer.first_moments, optimizer.second_moments):
                moments["wave_frequencies"][target, k] = 0
                moments["wave_weights"][target, k] = 0
    return int(weak.sum())


def cycles_per_sigma(splats: Splats) -> Tensor:
    """(N, K) |diag(s) R' f|: the waves' cycles per standard deviation, the diagnostic of a healthy Gabor scene."""
    if runs_ahead(splats.means.device):
        local = turned(splats.quats, splats.wave_frequencies, back=True)
    else:
        local = splats.wave_frequencies @ matrix_from_quaternion(splats.quats)
    return (local * splats.log_scales.exp()[:, None]).norm(dim=-1)


def attenuation_penalty(splats: Splats, cap: float = 3.0) -> Tensor:
    """Mean squared excess of cycles per standard deviation over `cap`: waves beyond it only alias."""
    return (cycles_per_sigma(splats) - cap).clamp_min(0).square().mean() if splats.waves else splats.means.new_zeros(())
