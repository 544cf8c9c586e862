"""What training minimises, and what it is judged by."""

import torch
from torch import Tensor

from geokit.backend.image_ops import compare


def photometric_loss(image: Tensor, target: Tensor, ssim_weight: float = 0.2) -> tuple[Tensor, Tensor]:
    """(1 - w) L1 + w (1 - SSIM) (Kerbl et al. 2023) and the mean squared error of two pictures (H, W, 3) in [0, 1]."""
    similarity, absolute, square = compare(image, target)
    return (1 - ssim_weight) * absolute + ssim_weight * (1 - similarity), square.detach()


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures with values in [0, 1]; the image is clamped to that range."""
    error = (image.detach().clamp(0, 1) - target).square().mean().to(torch.float64)
    return float(-10 * torch.log10(error.clamp_min(1e-12)))
