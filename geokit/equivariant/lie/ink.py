"""Where in an image is what it shows? Weights of pixels that background noise does not move."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

BORDER = 2  # pixels around an image that are taken for background
BLUR = 1.0  # pixels, standard deviation of the Gaussian that tells ink from noise
NOISE_LEVELS = 4.0  # of the blurred noise, that ink must stand out by
LEAST_SHARE = 0.1  # of the strongest blurred value, that counts as ink without noise
SOFTNESS = 0.2  # of the threshold, over which weights rise
_MAD = 1.4826  # standard deviations in a median absolute deviation, of a normal law


def without_background(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) less the median of their border, and the noise (B, C) of that border.

    The noise is a standard deviation, from the median absolute deviation: an image that runs over less than half of
    its border does not disturb either.
    """
    b = BORDER
    sides = (images[..., :b, :], images[..., -b:, :], images[..., b:-b, :b], images[..., b:-b, -b:])
    border = torch.cat([side.flatten(2) for side in sides], dim=-1)
    level = _median(border)
    noise = _MAD * _median((border - level[..., None]).abs())
    return images - level[..., None, None], noise


def _median(values: Tensor) -> Tensor:
    """(..., N) -> (...): the lower of two. On a GPU torch's is not deterministic; of equal values another may be it."""
    if values.device.type == "cpu":
        return values.median(-1).values
    return values.sort(-1).values[..., (values.shape[-1] - 1) // 2]


def ink_weights(images: Tensor, noise: Tensor) -> Tensor:
    """(B, H, W) how much each pixel of images (B, C, H, W) on background zero shows, 0 where it is noise (B, C).

    The norm over the channels, where a blurred copy stands out of the noise and of a tenth of its largest value.
    """
    blurred = gaussian_blur(images, BLUR).norm(dim=1)
    # White noise of unit deviation keeps 1 / (2 sqrt(pi) s) after a Gaussian of deviation s.
    left = NOISE_LEVELS / (2 * math.sqrt(math.pi) * BLUR) * noise.norm(dim=1)
    threshold = left.maximum(LEAST_SHARE * blurred.amax((-2, -1))).clamp(min=torch.finfo(images.dtype).tiny)
    gate = torch.sigmoid((blurred / threshold[:, None, None] - 1) / SOFTNESS)
    return images.norm(dim=1) * torch.where(blurred > 0.5 * threshold[:, None, None], gate, 0.0)


def gaussian_blur(images: Tensor, deviation: float) -> Tensor:
    """(B, C, H, W) images convolved with a Gaussian of that many pixels, zero outside."""
    reach = math.ceil(3 * deviation)
    t = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (t / deviation) ** 2)
    kernel = kernel / kernel.sum()
    flat = images.flatten(0, 1)[:, None]
    flat = conv2d(pad(flat, (0, 0, reach, reach)), kernel.view(1, 1, -1, 1))
    return conv2d(pad(flat, (reach, reach)), kernel.view(1, 1, 1, -1)).view_as(images)
