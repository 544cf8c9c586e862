"""Score distillation: functional maps drawn towards what a prior finds likely."""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.spectral.prior.masks import Denoiser


def distillation_loss(
    functional_map: Tensor,
    denoise: Denoiser,
    sigmas: tuple[float, float] = (0.05, 1.0),
    count: int = 32,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A scalar whose gradient by x = |C| (K, K) is that of the mean of -log p_sigma(x + sigma n) over n and sigma.

    p_sigma is the prior blurred by noise of deviation sigma, log-uniform in `sigmas`; each of the `count` sigmas has
    noise n of its own. By Tweedie's formula the gradient of -log p_sigma(y) is (y - D(y)) / sigma^2, whose mean over
    the noise is that of (x - D(y)) / sigma^2: the loss is the mean of |x - D(y)|^2 / (2 sigma^2) with D held fixed
    (Poole et al., "DreamFusion", 2023; for functional maps Pierson et al., "DiffuMatch", 2025). Absolute values are on
    both sides, so that signs are left alone. Differentiable by the map; the value is no energy, only its gradient
    has a meaning.
    """
    check_tensor("functional_map", functional_map, ("K", "K"), FLOATS)
    size = functional_map.abs()
    sigma, denoised = _denoised(size, denoise, sigmas, count, generator)
    return ((size - denoised).square() / (2 * sigma[:, None, None].square())).sum((1, 2)).mean()


@torch.no_grad()
def denoising_residual(
    functional_map: Tensor,
    denoise: Denoiser,
    sigmas: tuple[float, float] = (0.05, 0.5),
    count: int = 32,
    generator: torch.Generator | None = None,
) -> float:
    """How badly the denoiser brings |C| (K, K) back from noise: the mean of |x - D(x + sigma n)|^2 / (K sigma)^2.

    Low for likely maps: the sum over noise levels of denoising errors bounds -log p up to a constant (Song et al.,
    "Maximum Likelihood Training of Score-Based Diffusion Models", 2021). Candidates are comparable when each is given
    a generator of the same seed.
    """
    check_tensor("functional_map", functional_map, ("K", "K"), FLOATS, finite=True)
    size = functional_map.abs()
    sigma, denoised = _denoised(size, denoise, sigmas, count, generator)
    return float(((size - denoised).square() / sigma[:, None, None].square()).mean())


@torch.no_grad()
def _denoised(
    size: Tensor, denoise: Denoiser, sigmas: tuple[float, float], count: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """`count` noise levels and what the denoiser makes of |C| under them. Levels are spread evenly, each jittered."""
    low, high = (torch.tensor(value).log() for value in sigmas)
    share = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    sigma = (low + (high - low) * share).exp()
    noise = torch.randn(count, *size.shape, generator=generator)
    denoised = denoise(size.detach().float() + sigma[:, None, None] * noise, sigma)
    return sigma.to(size), denoised.to(size)
