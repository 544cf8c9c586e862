"""Colours from real spherical harmonics of degree 0 to 3, with gradients."""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op, native_of, plain
from geokit.errors import InvalidInput


@custom_op("geokit::spherical_harmonics", cuda=True)
def _harmonics(degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None) -> Tensor:
    colors = directions.new_empty(len(directions), 3)
    seen = None if visible is None else visible.contiguous()
    native_of(directions).harmonics_forward(degree, *plain(directions, coeffs), seen, colors)
    return colors


@_harmonics.register_fake
def _(degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None) -> Tensor:
    return directions.new_empty(directions.shape[0], 3)


@custom_op("geokit::spherical_harmonics_backward", cuda=True)
def _harmonics_backward(
    degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None, colors_bar: Tensor
) -> tuple[Tensor, Tensor]:
    directions, coeffs, colors_bar = plain(directions, coeffs, colors_bar)
    directions_bar, coeffs_bar = torch.empty_like(directions), torch.empty_like(coeffs)
    seen = None if visible is None else visible.contiguous()
    native_of(directions).harmonics_backward(degree, directions, coeffs, seen, colors_bar, directions_bar, coeffs_bar)
    return directions_bar, coeffs_bar


@_harmonics_backward.register_fake
def _(
    degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None, colors_bar: Tensor
) -> tuple[Tensor, Tensor]:
    return directions.new_empty(directions.shape), coeffs.new_empty(coeffs.shape)


def _harmonics_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.degree, directions, coeffs, visible = inputs
    ctx.save_for_backward(directions, coeffs, *(() if visible is None else (visible,)))


def _harmonics_vjp(ctx: Any, colors_bar: Tensor) -> tuple[Any, ...]:
    directions, coeffs, *visible = ctx.saved_tensors
    bars = _harmonics_backward(ctx.degree, directions, coeffs, visible[0] if visible else None, colors_bar)
    return None, *bars, None


_harmonics.register_autograd(_harmonics_vjp, setup_context=_harmonics_setup)


def spherical_harmonics(degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None = None) -> Tensor:
    """sum_b coeffs[:, b] Y_b(directions), (N, 3); zero where `visible` (N,) is False.

    degree 0 to 3; directions (N, 3) of any non-zero length; coeffs (N, B, 3) with B >= (degree + 1)^2, of which the
    first (degree + 1)^2 count. Real harmonics in the sign convention of 3D Gaussian splatting.
    """
    check_tensor("directions", directions, ("N", 3), FLOATS)
    check_tensor("coeffs", coeffs, (len(directions), "B", 3), directions.dtype)
    if not 0 <= degree <= 3 or (degree + 1) ** 2 > coeffs.shape[1]:
        raise InvalidInput(f"degree must be 0 to 3 with (degree + 1)^2 <= {coeffs.shape[1]} coefficients, got {degree}")
    if visible is not None:
        check_tensor("visible", visible, (len(directions),), torch.bool)
    return _harmonics(degree, directions, coeffs, visible)
