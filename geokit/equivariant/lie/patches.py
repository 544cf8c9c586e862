"""Images in their canonical frames, on a grid of polar coordinates: rotations become cyclic shifts.

Every patch is brought to the same blur in canonical units: what a small and a large copy of one picture show differs by
the size of a pixel, which the larger one is blurred by in addition.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from geokit.equivariant.lie.canonical import Frames, frames, moments
from geokit.equivariant.lie.group import LieGroup
from geokit.equivariant.lie.ink import ink_weights, without_background
from geokit.errors import InvalidInput

PIXEL = 1 / 12  # square pixels: the variance of a pixel, what every image is blurred by
_LEAST_BLUR = 0.12  # canonical units
_LEAST_SPREAD = 1e-3  # square pixels, so that a dot and a stroke have a frame


def image_frames(images: Tensor, group: LieGroup, unit: float = 4.0) -> tuple[Tensor, Frames]:
    """Images (B, C, H, W) without their background, and the canonical frames of what they show.

    Coordinates are (x to the right, y down) in pixels from the middle of the image; unit in pixels, see `frames`.
    """
    shown, noise = without_background(images)
    height, width = images.shape[-2:]
    y, x = (torch.arange(n, dtype=images.dtype, device=images.device) - (n - 1) / 2 for n in (height, width))
    points = torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1).flatten(0, 1)
    mean, covariance = moments(points, ink_weights(shown, noise).flatten(1))
    identity = torch.eye(2, dtype=images.dtype, device=images.device)
    spread = clamp_eigenvalues(covariance - PIXEL * identity, least=_LEAST_SPREAD)
    return shown, frames(mean, spread, group, unit)


def polar_patches(
    images: Tensor, found: Frames, *, angles: int = 64, radii: int = 16, reach: float = 3.0, blur: float = 0.3
) -> Tensor:
    """(B, C, angles, radii) images (B, C, H, W) at mean + matrix u, u = r (cos a, sin a) in canonical coordinates.

    Angles are 2 pi / angles apart, from 0; radii at (i + 1/2) reach / radii. blur: the standard deviation of the
    Gaussian that the whole of image and sampling amounts to, in canonical units; no less than 0.12 is added. Turning
    the image by 2 pi j / angles shifts the patch cyclically by j, up to sampling errors.
    """
    side = 3 * radii | 1  # odd: at the highest frequency of an even side a slanted Gaussian has no sign to go by
    cartesian = _square_patches(images, found, side, reach)
    cartesian = _blurred(cartesian, _missing_blur(found, blur), 2 * reach / side)
    a = torch.arange(angles, dtype=images.dtype, device=images.device) * (2 * math.pi / angles)
    r = (torch.arange(radii, dtype=images.dtype, device=images.device) + 0.5) / radii
    grid = torch.stack([a.cos()[:, None] * r, a.sin()[:, None] * r], dim=-1)
    return _sample(cartesian, grid.expand(len(images), *grid.shape))


def check_images(images: Tensor, channels: int, least: int = 8) -> None:
    """Raise `InvalidInput` unless images are float (B, channels, H, W), finite, of at least that many pixels a side."""
    shape = tuple(images.shape)
    if images.dim() != 4 or shape[1] != channels or min(shape[2:]) < least:
        raise InvalidInput(f"images must be (B, {channels}, H, W) with H and W of at least {least} pixels, got {shape}")
    if images.dtype not in (torch.float32, torch.float64):
        raise InvalidInput(f"images must be float32 or float64, got {images.dtype}; convert bytes with / 255")
    if not torch.compiler.is_compiling() and not bool(images.isfinite().all()):
        bad = int((~images.isfinite().flatten(1).all(1)).nonzero()[0, 0])
        raise InvalidInput(f"image {bad} of {len(images)} holds values that are NaN or infinite; mend or drop it")


def clamp_eigenvalues(symmetric: Tensor, least: float | None = None, most: float | None = None) -> Tensor:
    """Symmetric matrices (..., 2, 2) with their eigenvalues brought between two bounds; eigenvectors stay."""
    identity = torch.eye(2, dtype=symmetric.dtype, device=symmetric.device)
    middle = 0.5 * symmetric.diagonal(dim1=-2, dim2=-1).sum(-1)
    deviation = symmetric - middle[..., None, None] * identity
    square = deviation[..., 0, 0].square() + deviation[..., 0, 1].square()
    apart = square > 0
    radius = torch.where(apart, torch.where(apart, square, 1.0).sqrt(), 0.0)  # whose gradient at 0 is 0, not infinite
    low, high = (middle - radius).clamp(least, most), (middle + radius).clamp(least, most)
    stretch = torch.where(apart, 0.5 * (high - low) / torch.where(apart, radius, 1.0), 1.0)
    return 0.5 * (low + high)[..., None, None] * identity + stretch[..., None, None] * deviation


def _square_patches(images: Tensor, found: Frames, side: int, reach: float) -> Tensor:
    """(B, C, side, side) over [-reach, reach]^2 of canonical coordinates."""
    height, width = images.shape[-2:]
    c = ((torch.arange(side, dtype=images.dtype, device=images.device) + 0.5) / side * 2 - 1) * reach
    u = torch.stack(torch.broadcast_tensors(c, c[:, None]), dim=-1)
    places = u.flatten(0, 1) @ found.matrix + found.mean[:, None]
    half = places.new_tensor([width / 2, height / 2])
    return _sample(images, (places / half).unflatten(1, (side, side)))


def _sample(images: Tensor, grid: Tensor) -> Tensor:
    return grid_sample(images, grid, mode="bicubic", align_corners=False)


def _missing_blur(found: Frames, blur: float) -> Tensor:
    """(B, 2, 2) the covariance that is to be added, in canonical units."""
    identity = torch.eye(2, dtype=found.log.dtype, device=found.log.device)
    inverse = found.inverse
    return clamp_eigenvalues(blur**2 * identity - PIXEL * inverse @ inverse, least=_LEAST_BLUR**2)


def _blurred(patches: Tensor, covariance: Tensor, spacing: float) -> Tensor:
    """Patches (B, C, S, S) convolved with Gaussians of covariances (B, 2, 2), by the Fourier transform."""
    side = patches.shape[-1]
    fx = 2 * math.pi * torch.fft.rfftfreq(side, spacing, dtype=patches.dtype, device=patches.device)
    fy = 2 * math.pi * torch.fft.fftfreq(side, spacing, dtype=patches.dtype, device=patches.device)[:, None]
    xx, xy, yy = (covariance[:, i, j, None, None] for i, j in ((0, 0), (0, 1), (1, 1)))
    gaussian = torch.exp(-0.5 * (xx * fx * fx + 2 * xy * fx * fy + yy * fy * fy))
    return torch.fft.irfft2(torch.fft.rfft2(patches) * gaussian[:, None], s=(side, side))
