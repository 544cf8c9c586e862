"""Structural similarity (Wang et al. 2004), as in the loss of 3DGS.

SSIM = (2 mx my + C1)(2 cov + C2) / ((mx^2 + my^2 + C1)(vx + vy + C2)), with local moments under an 11 x 11 Gaussian
window of standard deviation 1.5 that sums to 1, zeros beyond the border, C1 = 0.01^2, C2 = 0.03^2.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Mean over all pixels and channels of images (H, W, C) in [0, 1]."""
    offsets = torch.arange(11, dtype=image.dtype) - 5
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    line = line / line.sum()
    window = (line[:, None] * line[None, :])[None, None]

    def local_mean(value: Tensor) -> Tensor:
        return conv2d(value.permute(2, 0, 1)[:, None], window, padding=5)

    mean_x, mean_y = local_mean(image), local_mean(target)
    variance_x = local_mean(image * image) - mean_x**2
    variance_y = local_mean(target * target) - mean_y**2
    covariance = local_mean(image * target) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * covariance + c2) / (variance_x + variance_y + c2)).mean()
