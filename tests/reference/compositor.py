"""Front-to-back alpha blending of 2D Gaussians with waves: one splat after the other over the whole image.

d = pixel centre - mean2d
alpha = o exp(-(a dx^2 + 2 b dx dy + c dy^2) / 2) [1 + sum_k a_k cos(2 pi f_k . d) + b_k sin(2 pi f_k . d)]
alpha < 1/255 counts as 0, alpha > 0.999 as 0.999
image = sum_i T_i alpha_i feature_i + T_end background,  T_(i+1) = T_i (1 - alpha_i),  T_0 = 1
in the order of depth, ties in the order of the index; splats with depth <= 0 do not exist.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

SMALLEST_ALPHA = 1 / 255
LARGEST_ALPHA = 0.999


class Composite(NamedTuple):
    image: Tensor  # (H, W, C)
    transmittance: Tensor  # (H, W)
    median_ids: Tensor  # (H, W) int32, -1 where the transmittance never falls below 0.5
    margin: Tensor  # (H, W) least relative distance of any decision (skip, clamp, median) from flipping


def pixel_centers(width: int, height: int, like: Tensor) -> Tensor:
    """(H, W, 2) pixel centres (x, y)."""
    x = torch.arange(width, dtype=like.dtype) + 0.5
    y = torch.arange(height, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def front_to_back(depths: Tensor) -> list[int]:
    """Indices of the splats in front of the camera, by depth, ties by index."""
    return [i for z, i in sorted((z, i) for i, z in enumerate(depths.tolist())) if z > 0]


def raw_alpha(offsets: Tensor, conic: Tensor, opacity: Tensor, waves: Tensor) -> Tensor:
    """(...,) alpha before skip and clamp, at `offsets` (..., 2) from the mean; waves (K, 4)."""
    dx, dy = offsets.unbind(-1)
    a, b, c = conic.unbind()
    bracket = torch.ones_like(dx)
    for fx, fy, cosine, sine in waves.unbind(0):
        phase = 2 * math.pi * (fx * dx + fy * dy)
        bracket = bracket + cosine * torch.cos(phase) + sine * torch.sin(phase)
    return opacity * torch.exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy) / 2) * bracket


def rasterize(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    width: int,
    height: int,
) -> Composite:
    """Blend N splats. `means2d` is (N, 2), or (H, W, N, 2): a copy for every pixel (see `absolute_gradient`)."""
    pixels = pixel_centers(width, height, opacities)
    transmittance = pixels.new_ones(height, width)
    image = pixels.new_zeros(height, width, features.shape[1])
    median_ids = torch.full((height, width), -1, dtype=torch.int32)
    margin = pixels.new_full((height, width), math.inf)
    splats = list(zip(means2d.unbind(-2), conics.unbind(0), opacities.unbind(0), waves.unbind(0), features.unbind(0)))
    for i in front_to_back(depths):
        mean2d, conic, opacity, bank, feature = splats[i]
        alpha = raw_alpha(pixels - mean2d, conic, opacity, bank)
        for threshold in (SMALLEST_ALPHA, LARGEST_ALPHA):
            margin = torch.minimum(margin, (alpha.detach() / threshold - 1).abs())
        alpha = torch.where(alpha < SMALLEST_ALPHA, 0.0, alpha.clamp(max=LARGEST_ALPHA))
        image = image + (transmittance * alpha)[..., None] * feature
        transmittance = transmittance * (1 - alpha)
        margin = torch.minimum(margin, (transmittance.detach() / 0.5 - 1).abs())
        median_ids[(median_ids < 0) & (transmittance < 0.5)] = i
    return Composite(image + transmittance[..., None] * background, transmittance, median_ids, margin)


def absolute_gradient(loss_of_means2d, means2d: Tensor, width: int, height: int) -> Tensor:  # type: ignore[no-untyped-def]
    """(N, 2) sum over pixels of |dL/d means2d|: every pixel sees its own copy of the means."""
    copies = means2d.detach().expand(height, width, *means2d.shape).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of_means2d(copies), copies)
    return gradient.abs().sum((0, 1))
