"""Structural similarity as a torch operator."""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, plain


@torch.library.custom_op("geokit::ssim", mutates_args=(), device_types="cpu")
def _ssim(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    image, target = plain(image, target)
    row_sums = image.new_empty(image.shape[0])
    slopes = image.new_empty(3, *image.shape)
    _native.ssim_forward(image, target, row_sums, slopes)
    return row_sums.sum() / image.numel(), slopes


@_ssim.register_fake
def _(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return image.new_empty(()), image.new_empty(3, *image.shape)


@torch.library.custom_op("geokit::ssim_backward", mutates_args=(), device_types="cpu")
def _ssim_backward(image: Tensor, target: Tensor, slopes: Tensor) -> Tensor:
    image, target, slopes = plain(image, target, slopes)
    image_bar = torch.empty_like(image)
    _native.ssim_backward(image, target, slopes, 1.0 / image.numel(), image_bar)
    return image_bar


@_ssim_backward.register_fake
def _(image: Tensor, target: Tensor, slopes: Tensor) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs, output[1])


def _backward(ctx: Any, value_bar: Tensor, _slopes_bar: Tensor) -> tuple[Tensor | None, None]:
    return _ssim_backward(*ctx.saved_tensors) * value_bar, None


_ssim.register_autograd(_backward, setup_context=_setup)


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Mean structural similarity of two pictures (H, W, C) with values in [0, 1]; differentiable by `image`.

    Wang et al. 2004 with the window of the 3DGS loss: Gaussian, 11x11, sigma 1.5, zeros outside the picture.
    Raises `InvalidInput` for other shapes or unequal dtypes. The target receives no gradient.
    """
    check_tensor("image", image, ("H", "W", "C"), FLOATS)
    check_tensor("target", target, tuple(image.shape), image.dtype)
    return _ssim(image, target.detach())[0]
