"""Two pictures compared: similarity, absolute and squared difference, in one native pass."""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op, native_of, plain


@custom_op("geokit::compare", cuda=True)
def _compare(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    image, target = plain(image, target)
    native = native_of(image)
    sums = image.new_empty(native.compare_parts(image), 3)
    slopes = image.new_empty(3, *image.shape)
    native.compare_forward(image, target, sums, slopes)
    return sums.sum(0) / image.numel(), slopes


@_compare.register_fake
def _(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return image.new_empty(3), image.new_empty(3, *image.shape)


@custom_op("geokit::compare_backward", cuda=True)
def _compare_backward(image: Tensor, target: Tensor, slopes: Tensor, means_bar: Tensor) -> Tensor:
    image, target, slopes = plain(image, target, slopes)
    image_bar = torch.empty_like(image)
    native_of(image).compare_backward(image, target, slopes, means_bar / image.numel(), image_bar)
    return image_bar


@_compare_backward.register_fake
def _(image: Tensor, target: Tensor, slopes: Tensor, means_bar: Tensor) -> Tensor:
    return torch.empty_like(image, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs, output[1])


def _backward(ctx: Any, means_bar: Tensor, _slopes_bar: Tensor) -> tuple[Tensor | None, None]:
    return _compare_backward(*ctx.saved_tensors, means_bar), None


_compare.register_autograd(_backward, setup_context=_setup)


def compare(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean structural similarity, mean absolute and mean squared difference of two pictures (H, W, C) in [0, 1].

    The similarity is that of Wang et al. 2004 with the window of the 3DGS loss: Gaussian, 11x11, sigma 1.5, zeros
    outside the picture. All three are differentiable by `image`; the target receives no gradient.
    Raises `InvalidInput` for other shapes or unequal dtypes.
    """
    check_tensor("image", image, ("H", "W", "C"), FLOATS)
    check_tensor("target", target, tuple(image.shape), image.dtype)
    similarity, absolute, square = _compare(image, target.detach())[0].unbind()
    return similarity, absolute, square


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Mean structural similarity of two pictures (H, W, C), differentiable by `image`: see `compare`."""
    return compare(image, target)[0]
