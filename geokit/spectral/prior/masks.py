"""Masks: which entries of a functional map to penalise, from what a prior knows of maps."""

from collections.abc import Callable

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.spectral.prior.gaussian import GaussianPrior

Denoiser = Callable[[Tensor, Tensor], Tensor]  # (B, K, K) noisy matrices and (B,) deviations to (B, K, K)


@torch.no_grad()
def denoising_mask(
    functional_map: Tensor,
    denoise: Denoiser,
    sigma: float = 1.0,
    count: int = 100,
    generator: torch.Generator | None = None,
) -> Tensor:
    """(K, K) >= 0 penalties from how much a denoiser changes each entry of |C| (K, K) under noise; smallest 0.

    M = sqrt(mean |x - D(x)| / (2 sigma mean |x|)) less its least entry, over `count` noises n, with x = ||C| + sigma n|
    (Pierson et al., "DiffuMatch", 2025, section 4.2). The means are over all noises, entry by entry. Without gradient:
    a mask is a constant of the fit that it enters.
    """
    check_tensor("functional_map", functional_map, ("K", "K"), FLOATS, finite=True)
    if not sigma > 0 or count < 1:
        raise InvalidInput(f"a mask needs noise of a positive deviation, drawn at least once; got {sigma} and {count}")
    noise = torch.randn(count, *functional_map.shape, generator=generator).to(functional_map)
    noisy = (functional_map.abs() + sigma * noise).abs().float()
    changed = (noisy - denoise(noisy, noisy.new_full((count,), sigma))).abs().mean(0)
    mask = (changed / (2 * sigma * noisy.mean(0))).sqrt()
    return (mask - mask.min()).to(functional_map.dtype)


def second_moment_mask(prior: GaussianPrior, softness: float = 1e-3) -> Tensor:
    """(K, K) in (0, 1): 1 / E[C^2] over the prior, scaled to largest 1: the penalty of the most likely map when entries
    are independent and normal with these second moments. `softness` is added to E[C^2].

    A constant matrix: it knows which entries of maps are large, and nothing of the pair at hand.
    """
    moments = prior.mean.square() + prior.entry_variances() + softness
    return moments.min() / moments


@torch.no_grad()
def posterior_mask(
    functional_map: Tensor, denoise: Denoiser, prior: GaussianPrior, sigma: float = 0.2, softness: float = 1e-3
) -> Tensor:
    """(K, K) in (0, 1]: 1 / E[C^2 | C raw], scaled to largest 1: `second_moment_mask` that knows of the pair at hand,
    whose raw map is taken for the true one under noise of deviation sigma.

    The expectation is the denoiser's estimate squared plus the variance that the Gaussian prior leaves.
    """
    check_tensor("functional_map", functional_map, (len(prior), len(prior)), FLOATS, finite=True)
    noise = torch.full((1,), sigma)
    estimate = denoise(functional_map.abs().float()[None], noise)[0]
    moments = estimate.square() + prior.spread(noise)[0].square() + softness
    return (moments.min() / moments).to(functional_map.dtype)
