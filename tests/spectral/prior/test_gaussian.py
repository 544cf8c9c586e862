import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.prior import GaussianPrior


def made(size: int = 4, seed: int = 0) -> GaussianPrior:
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size**2, size**2, generator=rng, dtype=torch.float64) / size
    mean = torch.randn(size, size, generator=rng, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(mixing @ mixing.T + 0.05 * torch.eye(size**2, dtype=torch.float64))
    return GaussianPrior(mean, values, vectors)


def covariance(prior: GaussianPrior) -> torch.Tensor:
    return prior.directions * prior.variances @ prior.directions.T


def test_fit_gives_mean_and_covariance():
    maps = torch.rand(50, 3, 3, dtype=torch.float64)
    prior = GaussianPrior.fit(maps, floor=0)
    torch.testing.assert_close(prior.mean, maps.mean(0))
    torch.testing.assert_close(covariance(prior), torch.cov(maps.flatten(1).T, correction=0))
    torch.testing.assert_close(prior.entry_variances(), maps.var(0, correction=0))


def test_denoiser_is_the_posterior_mean():
    prior, sigma = made(), torch.tensor([0.1, 0.7, 3.0], dtype=torch.float64)
    noisy = torch.randn(3, 4, 4, dtype=torch.float64)
    for one, level, found in zip(noisy, sigma, prior.denoise(noisy, sigma)):
        cov = covariance(prior)
        gain = cov @ torch.linalg.inv(cov + level**2 * torch.eye(16, dtype=torch.float64))
        torch.testing.assert_close(found, prior.mean + (gain @ (one - prior.mean).flatten()).reshape(4, 4))


def test_denoiser_and_spread_agree_with_importance_sampling():
    prior, sigma = made(2), torch.tensor([0.8], dtype=torch.float64)
    noisy = prior.mean + 0.3
    clean = prior.sample(400_000, torch.Generator().manual_seed(1))
    weights = torch.softmax(-(clean - noisy).square().sum((1, 2)) / (2 * 0.8**2), 0)[:, None, None]
    mean = (weights * clean).sum(0)
    torch.testing.assert_close(prior.denoise(noisy[None], sigma)[0], mean, atol=0.02, rtol=0)
    deviation = (weights * (clean - mean).square()).sum(0).sqrt()
    torch.testing.assert_close(prior.spread(sigma)[0], deviation, atol=0.02, rtol=0)


def test_density_is_that_of_torch():
    prior = made()
    cov = covariance(prior) + 0.25 * torch.eye(16, dtype=torch.float64)
    normal = torch.distributions.MultivariateNormal(prior.mean.flatten(), cov)
    maps = torch.randn(5, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(prior.log_density(maps, sigma=0.5), normal.log_prob(maps.flatten(1)))


def test_denoiser_gradient():
    prior = made(2)
    noisy = torch.randn(2, 2, 2, dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor([0.3, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(prior.denoise, (noisy, sigma))


def test_maps_that_are_not_square_are_refused():
    with pytest.raises(InvalidInput, match="maps"):
        GaussianPrior.fit(torch.rand(5, 3, 4))
