"""What functional maps between deformable shapes look like: priors on |C|, learned, and what is done with them."""

from geokit.spectral.prior.diffusion import DiffusionPrior
from geokit.spectral.prior.distill import denoising_residual, distillation_loss
from geokit.spectral.prior.gaussian import GaussianPrior
from geokit.spectral.prior.masks import denoising_mask, second_moment_mask
from geokit.spectral.prior.storage import Prior, load_prior, save_prior

__all__ = [
    "DiffusionPrior",
    "GaussianPrior",
    "Prior",
    "denoising_mask",
    "denoising_residual",
    "distillation_loss",
    "load_prior",
    "save_prior",
    "second_moment_mask",
]
