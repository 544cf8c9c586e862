import pytest
import torch

from geokit.errors import InvalidInput
from geokit.spectral.functional_map import fit_functional_map
from geokit.spectral.prior import GaussianPrior, denoising_mask, second_moment_mask
from geokit.spectral.prior.masks import posterior_mask
from tests.spectral.asymmetric import permuted_pair


def diagonal_prior(size: int = 10) -> GaussianPrior:
    """Maps that are about the identity, with little elsewhere."""
    rng = torch.Generator().manual_seed(0)
    return GaussianPrior.fit(torch.eye(size) + 0.03 * torch.randn(400, size, size, generator=rng).abs())


def test_a_denoiser_that_knows_identities_spares_the_diagonal():
    prior = diagonal_prior()
    mask = denoising_mask(torch.eye(10, dtype=torch.float64), prior.denoise, generator=torch.Generator().manual_seed(1))
    outside = ~torch.eye(10, dtype=torch.bool)
    assert mask.dtype == torch.float64
    assert float(mask.min()) == 0
    assert float(mask.diagonal().max()) < float(mask[outside].min())


def test_a_denoiser_that_changes_nothing_gives_no_mask():
    mask = denoising_mask(torch.rand(4, 4), lambda noisy, sigma: noisy, count=10)
    assert torch.equal(mask, torch.zeros(4, 4))


def test_a_mask_has_no_gradient_and_forgets_signs():
    signed = torch.randn(10, 10, requires_grad=True)
    masks = [
        denoising_mask(c, diagonal_prior().denoise, generator=torch.Generator().manual_seed(0))
        for c in (signed, -signed)
    ]
    assert not masks[0].requires_grad
    assert torch.equal(*masks)


@pytest.mark.parametrize("knows_pair", [False, True])
def test_moment_masks_are_inverse_second_moments(knows_pair):
    prior = diagonal_prior()
    if knows_pair:
        mask = posterior_mask(
            torch.eye(10), prior.denoise, prior, sigma=1e3
        )  # so much noise that the pair says nothing
    else:
        mask = second_moment_mask(prior)
    moments = prior.mean.square() + prior.entry_variances() + 1e-3
    torch.testing.assert_close(mask, moments.min() / moments, rtol=1e-2, atol=1e-3)


def test_noise_without_deviation_is_refused():
    with pytest.raises(InvalidInput, match="positive deviation"):
        denoising_mask(torch.eye(3), lambda noisy, sigma: noisy, sigma=0)


def test_a_mask_enters_the_fit_of_a_map():
    """What is penalised much is nearly zero; what is not is fitted."""
    shape1, shape2, p2p = permuted_pair(10)
    values = torch.randn(len(shape1), 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = 1e6 * (1 - torch.eye(10, dtype=torch.float64))
    found = fit_functional_map(values, values[p2p], shape1.basis, shape2.basis, laplacian_weight=1.0, mask=mask)
    torch.testing.assert_close(found.abs(), torch.eye(10, dtype=torch.float64), atol=1e-5, rtol=0)
    with pytest.raises(InvalidInput, match="mask"):
        fit_functional_map(values, values[p2p], shape1.basis, shape2.basis, mask=mask[:5])
