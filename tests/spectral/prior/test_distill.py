import torch

from geokit.spectral.prior import GaussianPrior, denoising_residual, distillation_loss


def made() -> GaussianPrior:
    rng = torch.Generator().manual_seed(0)
    return GaussianPrior.fit(torch.rand(60, 3, 3, generator=rng) @ torch.rand(3, 3, generator=rng))


def test_gradient_is_that_of_the_blurred_log_density():
    prior = made()
    signed = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    signed.requires_grad_()
    loss = distillation_loss(signed, prior.denoise, (0.4999, 0.5), 20_000, torch.Generator().manual_seed(2))
    found = torch.autograd.grad(loss, signed)[0]
    size = signed.detach().abs().requires_grad_()
    # -log of a normal density is quadratic: its mean over centred noise has the gradient of the middle.
    wanted = -torch.autograd.grad(prior.log_density(size[None], sigma=0.5).sum(), size)[0] * signed.detach().sign()
    torch.testing.assert_close(found, wanted, atol=0.03 * float(wanted.abs().max()), rtol=0)


def test_gradcheck_with_a_fixed_denoised_map():
    target = torch.rand(3, 3)
    signed = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)

    def loss(c: torch.Tensor) -> torch.Tensor:
        return distillation_loss(c, lambda y, s: target.expand_as(y), generator=torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(loss, signed)


def test_signs_do_not_matter():
    prior, signed = made(), torch.randn(3, 3, dtype=torch.float64)
    flips = torch.tensor([1.0, -1, -1], dtype=torch.float64)
    one, two = (
        distillation_loss(c, prior.denoise, generator=torch.Generator().manual_seed(0))
        for c in (signed, flips[:, None] * signed * flips)
    )
    torch.testing.assert_close(one, two)


def test_descent_leads_to_the_mean_of_a_gaussian():
    prior, rng = made(), torch.Generator().manual_seed(0)
    signed = torch.where(torch.rand(3, 3, generator=rng) < 0.5, -1.0, 1.0) * (prior.mean + 0.5)
    signed.requires_grad_()
    adam = torch.optim.Adam([signed], lr=0.03)
    for _ in range(200):
        adam.zero_grad()
        distillation_loss(signed, prior.denoise, (0.2, 1.0), 64, rng).backward()
        adam.step()
    torch.testing.assert_close(signed.detach().abs(), prior.mean, atol=0.06, rtol=0)


def test_residual_orders_maps_by_their_likelihood():
    prior = made()
    near, far = prior.mean + 0.05, prior.mean + 0.6
    residuals = [denoising_residual(c, prior.denoise, generator=torch.Generator().manual_seed(0)) for c in (near, far)]
    assert residuals[0] < residuals[1]
