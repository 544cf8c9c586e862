"""Images moved by affine maps of the plane about their centres, so that whole-pixel motions permute pixels exactly."""

from typing import Literal

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput

Interpolation = Literal["bilinear", "bicubic"]
_CUBIC = -0.5  # Catmull and Rom's: exact for polynomials of degree two


def image_action(
    element: Tensor, images: Tensor, *, interpolation: Interpolation = "bilinear", unit: float = 1.0
) -> Tensor:
    """(g f)(x) = f(g^-1 x): images (B, C, H, W) moved by g, zero where nothing comes from inside.

    element: (2, 2), or homogeneous (3, 3), or one for each image, (B, 2, 2) or (B, 3, 3). Coordinates are (x to the
    right, y down) from the centre of the image, so that a rotation by a positive angle turns the picture clockwise;
    translations are in pixels times `unit`. Pixels are points at their centres: a rotation by a quarter turn of a
    square image, a mirror image and a shift by whole pixels are exact, to the last bit. interpolation: "bilinear", or
    "bicubic" by Catmull-Rom splines. Differentiable in both. Raises InvalidInput for other shapes or dtypes.
    """
    check_tensor("images", images, ("B", "C", "H", "W"), FLOATS)
    size = element.shape[-1] if element.dim() in (2, 3) else 0
    if size not in (2, 3) or element.shape not in ((size, size), (len(images), size, size)):
        raise InvalidInput(
            f"an element that moves {len(images)} images must be (2, 2), (3, 3), ({len(images)}, 2, 2) or "
            f"({len(images)}, 3, 3), got {tuple(element.shape)}"
        )
    if interpolation not in ("bilinear", "bicubic"):
        raise InvalidInput(f'interpolation must be "bilinear" or "bicubic", got {interpolation!r}')
    sources = _snapped(_sources(element.to(images.device, torch.float64), images.shape[-2:], unit), images.dtype)
    return _interpolated(images, sources.expand(len(images), *sources.shape[1:]), interpolation)


def _sources(element: Tensor, shape: torch.Size, unit: float) -> Tensor:
    """(B or 1, 2, H, W) float64: where, in columns and rows from 0, the value of each pixel comes from."""
    height, width = shape
    middle = element.new_tensor([(width - 1) / 2, (height - 1) / 2])[:, None]
    rows, columns = torch.meshgrid(
        *(torch.arange(n, device=element.device, dtype=torch.float64) for n in (height, width)), indexing="ij"
    )
    places = torch.stack([columns, rows]).flatten(1) - middle
    element = element.reshape(-1, *element.shape[-2:])
    if element.shape[-1] == 3:
        places = places - unit * element[:, :2, 2:]
    inverse = torch.linalg.inv(element[:, :2, :2])
    return (inverse @ places + middle).unflatten(-1, (height, width))


def _snapped(sources: Tensor, dtype: torch.dtype) -> Tensor:
    """Coordinates that are whole but for rounding made whole: no bit of a neighbour leaks in, no border is lost.

    Elements may have been rounded to the dtype of the images before. Gradients pass as if nothing had happened.
    """
    whole = sources.detach().round()
    near = (sources.detach() - whole).abs() < 16 * torch.finfo(dtype).eps * max(sources.shape[-2:])
    return sources + torch.where(near, whole - sources.detach(), 0.0)


def _interpolated(images: Tensor, sources: Tensor, interpolation: Interpolation) -> Tensor:
    height, width = images.shape[-2:]
    first = sources.detach().floor()
    share = (sources - first).to(images.dtype)
    reach = range(0, 2) if interpolation == "bilinear" else range(-1, 3)
    weigh = _linear if interpolation == "bilinear" else _cubic
    flat, total = images.flatten(2), torch.zeros_like(images)
    for dy in reach:
        for dx in reach:
            x, y = first[:, 0] + dx, first[:, 1] + dy
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            index = torch.where(inside, y * width + x, 0.0).to(torch.int64).flatten(1)
            weight = torch.where(inside, weigh(share[:, 0] - dx) * weigh(share[:, 1] - dy), 0.0)
            values = flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1)).view_as(images)
            total = total + weight[:, None] * values
    return total


def _linear(distance: Tensor) -> Tensor:
    return 1 - distance.abs()


def _cubic(distance: Tensor) -> Tensor:
    """Keys' kernel, of support 2, in ascending cases of the distance."""
    d = distance.abs()
    near = ((_CUBIC + 2) * d - (_CUBIC + 3)) * d * d + 1
    far = _CUBIC * (((d - 5) * d + 8) * d - 4)
    return torch.where(d <= 1, near, far)
