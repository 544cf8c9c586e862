"""A diffusion model of |C|: a denoiser that starts from the Gaussian prior's and learns what that one misses."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from geokit.backend.checks import check_tensor
from geokit.spectral.prior.gaussian import GaussianPrior
from geokit.spectral.prior.network import PatchTransformer

LARGEST_SIGMA = 3.0  # entries of |C| are 0 to about 1: beneath this noise nothing of a map is left


class DiffusionPrior(nn.Module):
    """D(noisy, sigma), an estimate of the mean of what was there before the noise.

    D = G + s F, where G is the Gaussian prior's denoiser and s the deviation that it leaves in every entry. With a
    Gaussian of covariance sigma_data^2 I this is the preconditioning of Karras et al. ("Elucidating the Design Space of
    Diffusion-Based Generative Models", 2022, equation 7): c_skip and c_out are its denoiser and its deviation. The
    network F sees the noisy matrix and G, both scaled to variance one, and ln(sigma); zero at the start, it leaves G.
    """

    def __init__(self, gaussian: GaussianPrior, width: int = 128, depth: int = 4, heads: int = 4, patch: int = 5):
        super().__init__()
        self.gaussian = gaussian
        self.options = {"width": width, "depth": depth, "heads": heads, "patch": patch}
        self.network = PatchTransformer(len(gaussian), 2, **self.options)

    def __len__(self) -> int:
        return len(self.gaussian)

    def denoise(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """(B, K, K) of noisy matrices (B, K, K), float32, and deviations sigma (B,). Differentiable."""
        gaussian, variances = self.gaussian, self.gaussian.entry_variances()
        first = gaussian.denoise(noisy, sigma)
        seen = (noisy - gaussian.mean) / (variances + sigma[:, None, None].square()).sqrt()
        expected = (first - gaussian.mean) / variances.sqrt()
        learned = self.network(torch.stack([seen, expected], 1), sigma.log())
        return first + gaussian.spread(sigma) * learned

    forward = denoise

    def loss(self, maps: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The denoising error of maps (B, K, K) at random noise levels, relative to what the Gaussian leaves; scalar.

        ln(sigma) is normal, -1.2 +- 1.2, as in Karras et al. 2022.
        """
        check_tensor("maps", maps, ("B", len(self), len(self)), torch.float32)
        sigma = (torch.randn(len(maps), generator=generator) * 1.2 - 1.2).exp().to(maps.device)
        noise = torch.randn(maps.shape, generator=generator).to(maps.device)
        denoised = self.denoise(maps + sigma[:, None, None] * noise, sigma)
        left = self.gaussian.spread(sigma).square().mean((1, 2))
        return ((denoised - maps).square().mean((1, 2)) / left).mean()

    @torch.no_grad()
    def sample(self, count: int, steps: int = 32, generator: torch.Generator | None = None) -> Tensor:
        """(count, K, K) draws: Heun's method from pure noise down the deterministic flow (Karras et al. 2022,
        algorithm 1, rho = 7)."""
        size = len(self)
        levels = torch.linspace(LARGEST_SIGMA ** (1 / 7), 0.005 ** (1 / 7), steps) ** 7
        levels = torch.cat([levels, levels.new_zeros(1)])
        maps = self.gaussian.mean + LARGEST_SIGMA * torch.randn(count, size, size, generator=generator)
        for now, then in pairwise(levels):
            slope = (maps - self.denoise(maps, now.expand(count))) / now
            ahead = maps + (then - now) * slope
            if then > 0:
                slope = (slope + (ahead - self.denoise(ahead, then.expand(count))) / then) / 2
            maps = maps + (then - now) * slope
        return maps


class MovingAverage:
    """The exponential moving average of a module's parameters: what a diffusion model is used with.

    The first steps count less: after t of them the decay is at most (1 + t) / (10 + t).
    """

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        self.decay, self.steps = decay, 0
        self.values = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step of training into account."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in module.named_parameters():
            self.values[name].lerp_(value, 1 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the averages in place of the module's parameters."""
        for name, value in module.named_parameters():
            value.copy_(self.values[name])
