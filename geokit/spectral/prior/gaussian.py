"""The Gaussian of |C|: the mean and the covariance of a corpus, whose best denoiser is known in closed form."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor


@dataclass(frozen=True)
class GaussianPrior:
    """A normal distribution of K x K matrices.

    mean: (K, K). variances: (K^2,) along the columns of directions (K^2, K^2), which are orthonormal: the eigenvalues
    and eigenvectors of the covariance of the matrices written row after row.
    """

    mean: Tensor
    variances: Tensor
    directions: Tensor

    def __post_init__(self) -> None:
        check_tensor("mean", self.mean, ("K", "K"), FLOATS, finite=True)
        entries = self.mean.numel()
        check_tensor("variances", self.variances, (entries,), self.mean.dtype, finite=True)
        check_tensor("directions", self.directions, (entries, entries), self.mean.dtype, finite=True)

    def __len__(self) -> int:
        return len(self.mean)

    @staticmethod
    def fit(maps: Tensor, floor: float = 1e-6) -> "GaussianPrior":
        """The mean and the covariance of maps (N, K, K), no variance below `floor`."""
        check_tensor("maps", maps, ("N", "K", "K"), FLOATS, finite=True)
        flat = maps.double().flatten(1)
        mean = flat.mean(0)
        centered = flat - mean
        variances, directions = torch.linalg.eigh(centered.T @ centered / len(flat))
        parts = (mean.reshape(maps.shape[1:]), variances.clamp(min=floor), directions)
        return GaussianPrior(*(part.to(maps.dtype) for part in parts))

    def to(self, target: torch.dtype | torch.device | str) -> "GaussianPrior":
        """The same in another float dtype or on another device."""
        return GaussianPrior(self.mean.to(target), self.variances.to(target), self.directions.to(target))

    def denoise(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """(B, K, K) the mean of what `noisy` (B, K, K) was before normal noise of deviations sigma (B,) was added.

        mean + S (S + sigma^2)^-1 (noisy - mean) with the covariance S. Differentiable.
        """
        shrink = self.variances / (self.variances + sigma.square()[:, None])
        along = (noisy - self.mean).flatten(1) @ self.directions
        return self.mean + ((along * shrink) @ self.directions.T).reshape(noisy.shape)

    def spread(self, sigma: Tensor) -> Tensor:
        """(B, K, K) the standard deviation of every entry that is left once the noisy matrix is known."""
        left = self.variances * sigma.square()[:, None] / (self.variances + sigma.square()[:, None])
        return (left @ self.directions.square().T).sqrt().reshape(-1, *self.mean.shape)

    def entry_variances(self) -> Tensor:
        """(K, K) the variance of every entry."""
        return (self.directions.square() @ self.variances).reshape(self.mean.shape)

    def log_density(self, maps: Tensor, sigma: float = 0.0) -> Tensor:
        """(B,) natural logarithm of the density at maps (B, K, K), blurred by noise of deviation sigma."""
        variances = self.variances + sigma**2
        along = (maps - self.mean).flatten(1) @ self.directions
        return -0.5 * (along.square() / variances + variances.log() + math.log(2 * math.pi)).sum(1)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """(count, K, K) random draws."""
        noise = torch.randn(count, self.mean.numel(), generator=generator, dtype=self.mean.dtype)
        return self.mean + ((noise * self.variances.sqrt()) @ self.directions.T).reshape(count, *self.mean.shape)
