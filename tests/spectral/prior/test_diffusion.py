import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.prior import DiffusionPrior, GaussianPrior
from geokit.spectral.prior.diffusion import MovingAverage
from geokit.spectral.prior.network import PatchTransformer


def isotropic(size: int, deviation: float) -> GaussianPrior:
    return GaussianPrior(torch.zeros(size, size), torch.full((size**2,), deviation**2), torch.eye(size**2))


def test_untrained_it_is_the_gaussian():
    prior = GaussianPrior.fit(torch.rand(200, 10, 10))
    noisy, sigma = torch.rand(3, 10, 10), torch.tensor([0.1, 0.5, 2.0])
    torch.testing.assert_close(DiffusionPrior(prior).denoise(noisy, sigma), prior.denoise(noisy, sigma))


def test_an_isotropic_gaussian_gives_the_preconditioning_of_karras():
    torch.manual_seed(0)
    model = DiffusionPrior(isotropic(10, 0.5))
    torch.nn.init.normal_(model.network.head.weight)
    noisy, sigma, sigma_data = torch.rand(2, 10, 10), torch.tensor([0.3, 2.0]), 0.5
    s = sigma[:, None, None]
    skip, out = sigma_data**2 / (s**2 + sigma_data**2), s * sigma_data / (s**2 + sigma_data**2).sqrt()
    learned = model.network(
        torch.stack([noisy / (s**2 + sigma_data**2).sqrt(), skip * noisy / sigma_data], 1), sigma.log()
    )
    torch.testing.assert_close(model.denoise(noisy, sigma), skip * noisy + out * learned)


def test_training_on_another_gaussian_approaches_its_posterior_mean():
    """The Gaussian below the network is wrong on purpose; the network learns the difference."""
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    truth = GaussianPrior(torch.full((5, 5), 0.6), torch.linspace(0.001, 0.1, 25), torch.eye(25))
    model = DiffusionPrior(isotropic(5, 0.3), width=32, depth=2, heads=2)
    adam = torch.optim.Adam(model.parameters(), lr=5e-3)
    noisy, sigma = truth.sample(256, rng) + 0.4 * torch.randn(256, 5, 5, generator=rng), torch.full((256,), 0.4)
    best = truth.denoise(noisy, sigma)

    def error() -> float:
        with torch.no_grad():
            return float((model.denoise(noisy, sigma) - best).square().mean().sqrt())

    before = error()
    for step in range(80):
        adam.param_groups[0]["lr"] = 5e-3 * (1 - step / 80)
        loss = model.loss(truth.sample(64, rng), rng)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert error() < 0.3 * before


def test_samples_follow_the_gaussian_of_an_untrained_model():
    torch.manual_seed(0)
    truth = GaussianPrior(torch.full((5, 5), 0.4), torch.linspace(0.01, 0.2, 25), torch.eye(25))
    samples = DiffusionPrior(truth, width=32, depth=1, heads=2).sample(1500, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(samples.mean(0), truth.mean, atol=0.04, rtol=0)
    torch.testing.assert_close(samples.var(0), truth.entry_variances(), atol=0.02, rtol=0.15)


def test_equal_seeds_give_equal_losses_and_samples():
    model = DiffusionPrior(GaussianPrior.fit(torch.rand(200, 5, 5)), width=32, depth=1, heads=2)
    maps = torch.rand(8, 5, 5)
    losses = [model.loss(maps, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])
    draws = [model.sample(2, 4, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)


def test_moving_average_tends_to_constant_parameters():
    layer = torch.nn.Linear(2, 2)
    average = MovingAverage(layer, decay=0.9)
    start = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1
    average.update(layer)
    torch.testing.assert_close(average.values["weight"], start + (1 - 2 / 11))
    for _ in range(200):
        average.update(layer)
    average.copy_to(other := torch.nn.Linear(2, 2))
    torch.testing.assert_close(other.weight, layer.weight)


def test_patches_go_back_to_where_they_came_from():
    """With no block and heads that undo the embedding, the network returns its input."""
    network = PatchTransformer(6, 1, width=16, depth=0, heads=2, patch=3)
    with torch.no_grad():
        network.places.zero_()
        network.embed.weight.copy_(torch.eye(16, 9))
        network.embed.bias.zero_()
        network.head.weight.copy_(torch.eye(9, 16))
    network.norm = torch.nn.Identity()
    matrices = torch.rand(2, 1, 6, 6)
    torch.testing.assert_close(network(matrices, torch.zeros(2)), matrices[:, 0])


def test_patches_that_do_not_divide_are_refused():
    with pytest.raises(InvalidInput, match="divide"):
        PatchTransformer(30, 2, patch=4)
