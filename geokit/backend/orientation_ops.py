"""The convolution of functions on a grid of orientations with a kernel for each channel, with gradients."""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.lanes import cut, padded
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.errors import InvalidInput


def _convolution_on_gpu(features: Tensor, kernel: Tensor) -> Tensor:
    inputs = plain(kernel, features)
    out = torch.empty_like(inputs[1])
    native_of(features).orientation_convolution(*inputs, out)
    return out


def _kernel_bar_on_gpu(features: Tensor, out_bar: Tensor) -> Tensor:
    inputs = plain(features, out_bar)
    nodes, orientations, channels = features.shape
    native = native_of(features)
    count = native.orientation_parts(nodes, orientations, channels)
    parts = features.new_empty(count, orientations, orientations, channels)
    native.orientation_convolution_backward(*inputs, count, parts)
    return parts.sum(0)


@custom_op("geokit::orientation_convolution", cuda=_convolution_on_gpu)
def _convolution(features: Tensor, kernel: Tensor) -> Tensor:
    inputs = plain(padded(kernel), padded(features))
    out = torch.empty_like(inputs[1])
    _native.orientation_convolution(*inputs, out)
    return cut(out, features)


@custom_op("geokit::orientation_convolution_backward", cuda=_kernel_bar_on_gpu)
def _kernel_bar(features: Tensor, out_bar: Tensor) -> Tensor:
    inputs = plain(padded(features), padded(out_bar))
    _, orientations, channels = inputs[0].shape
    kernel_bar = features.new_empty(orientations, orientations, channels)
    _native.orientation_convolution_backward(*inputs, kernel_bar)
    return cut(kernel_bar, features)


@_convolution.register_fake
def _(features: Tensor, kernel: Tensor) -> Tensor:
    return features.new_empty(features.shape)


@_kernel_bar.register_fake
def _(features: Tensor, out_bar: Tensor) -> Tensor:
    return features.new_empty(features.shape[1], features.shape[1], features.shape[2])


def _save(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
    ctx.save_for_backward(*inputs)


def _vjp(ctx: Any, out_bar: Tensor) -> tuple[Tensor | None, Tensor | None]:
    features, kernel = ctx.saved_tensors
    wants_features, wants_kernel = ctx.needs_input_grad
    features_bar = _convolution(out_bar, kernel.transpose(0, 1)) if wants_features else None
    return features_bar, _kernel_bar(features, out_bar) if wants_kernel else None


def _vjp_of_kernel_bar(ctx: Any, bar: Tensor) -> tuple[Tensor, Tensor]:
    features, out_bar = ctx.saved_tensors
    return _convolution(out_bar, bar.transpose(0, 1)), _convolution(features, bar)


_convolution.register_autograd(_vjp, setup_context=_save)
_kernel_bar.register_autograd(_vjp_of_kernel_bar, setup_context=_save)


def orientation_convolution(features: Tensor, kernel: Tensor) -> Tensor:
    """out[n, p, c] = sum_o kernel[p, o, c] features[n, o, c], (N, O, C), of features (N, O, C) and a kernel (O, O, C).

    Differentiable any number of times: its derivatives are made of itself. Raises InvalidInput for other shapes or
    dtypes.
    """
    check_tensor("features", features, ("N", "O", "C"), FLOATS)
    _, orientations, channels = features.shape
    if not orientations or not channels:
        raise InvalidInput(f"features must have an orientation and a channel at least, got {tuple(features.shape)}")
    check_tensor("kernel", kernel, (orientations, orientations, channels), features.dtype)
    return _convolution(features, kernel)
