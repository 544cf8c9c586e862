"""Splats on the screen: means, conics, depths and waves, with gradients."""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import custom_op, native_of, plain
from geokit.errors import InvalidInput

_PROJECT_BLOCK = 1024  # splats a partial camera gradient covers (kProjectBlock)


@custom_op("geokit::project", cuda=True)
def _project(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    frequencies: Tensor,
    amplitudes: Tensor,
    world_to_camera: Tensor,
    intrinsics: Tensor,
    width: int,
    height: int,
    dilation: float,
    near: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    outputs = _project_outputs(means, frequencies)
    arrays = plain(means, quats, scales, frequencies, amplitudes, world_to_camera, intrinsics)
    native_of(means).project_forward(*arrays, width, height, dilation, near, *outputs)
    return outputs


def _project_outputs(means: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    n, k = frequencies.shape[:2]
    new = means.new_empty
    return new(n, 2), new(n), new(n, 3), new(n), new(n, k, 3)


@_project.register_fake
def _(means: Tensor, quats: Tensor, scales: Tensor, frequencies: Tensor, *_rest: Any) -> tuple[Tensor, ...]:
    return _project_outputs(means, frequencies)


@custom_op("geokit::project_backward", cuda=True)
def _project_backward(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    frequencies: Tensor,
    amplitudes: Tensor,
    world_to_camera: Tensor,
    intrinsics: Tensor,
    depths: Tensor,
    width: int,
    height: int,
    dilation: float,
    near: float,
    means2d_bar: Tensor,
    depths_bar: Tensor,
    conics_bar: Tensor,
    compensation_bar: Tensor,
    waves2d_bar: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    arrays = plain(means, quats, scales, frequencies, amplitudes, world_to_camera, intrinsics)
    cotangents = plain(means2d_bar, depths_bar, conics_bar, compensation_bar, waves2d_bar)
    gradients = tuple(torch.empty_like(array) for array in arrays[:4])
    blocks = -(-len(means) // _PROJECT_BLOCK)
    partial = means.new_empty(blocks, 16)
    native_of(means).project_backward(
        *arrays, width, height, dilation, near, *plain(depths), *cotangents, *gradients, partial
    )
    camera = partial.sum(0)
    pose_bar = means.new_zeros(4, 4)
    pose_bar[:3, :3] = camera[:9].view(3, 3)
    pose_bar[:3, 3] = camera[9:12]
    return *gradients, pose_bar, camera[12:].clone()  # type: ignore[return-value]


@_project_backward.register_fake
def _(means: Tensor, quats: Tensor, scales: Tensor, frequencies: Tensor, *_rest: Any) -> tuple[Tensor, ...]:
    like = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (means, quats, scales, frequencies))
    return *like, means.new_empty(4, 4), means.new_empty(4)


def _project_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.save_for_backward(*inputs[:7], output[1])
    ctx.options = inputs[7:]


def _project_vjp(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
    gradients = _project_backward(*ctx.saved_tensors, *ctx.options, *cotangents)
    means, quats, scales, frequencies, pose, intrinsics = gradients
    return means, quats, scales, frequencies, None, pose, intrinsics, None, None, None, None


_project.register_autograd(_project_vjp, setup_context=_project_setup)


def project(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    frequencies: Tensor,
    amplitudes: Tensor,
    world_to_camera: Tensor,
    intrinsics: Tensor,
    width: int,
    height: int,
    dilation: float = 0.3,
    near: float = 0.01,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """EWA projection of N Gaussians carrying K waves each.

    means (N, 3), quats (N, 4) w x y z of any length, scales (N, 3) standard deviations, frequencies (N, K, 3) cycles
    per unit length in world axes, amplitudes (N,) an upper bound of each splat's alpha (decides what is culled,
    receives no gradient), world_to_camera (4, 4), intrinsics (4,) = fx, fy, cx, cy in pixels; dilation in pixels^2.

    Returns means2d (N, 2) in pixels, depths (N,), conics (N, 3) the inverse of the dilated covariance as (a, b, c),
    compensation (N,) = sqrt(det plain / det dilated), waves2d (N, K, 3): frequency in cycles per pixel and attenuation.
    A culled splat (behind `near`, outside the image, fainter than 1/255) has depth 0 and zeros everywhere.
    Source: Zwicker et al. 2001; the wave's projection: docs/splatting.md.
    """
    check_tensor("means", means, ("N", 3), FLOATS)
    n, dtype = len(means), means.dtype
    check_tensor("quats", quats, (n, 4), dtype)
    check_tensor("scales", scales, (n, 3), dtype)
    check_tensor("frequencies", frequencies, (n, "K", 3), dtype)
    check_tensor("amplitudes", amplitudes, (n,), dtype)
    check_tensor("world_to_camera", world_to_camera, (4, 4), dtype)
    check_tensor("intrinsics", intrinsics, (4,), dtype)
    check_size(width, height)
    return _project(
        means, quats, scales, frequencies, amplitudes.detach(), world_to_camera, intrinsics,
        width, height, dilation, near,
    )  # fmt: skip


def check_size(width: int, height: int) -> None:
    """Raise `InvalidInput` unless a picture of that size has pixels."""
    if width < 1 or height < 1:
        raise InvalidInput(f"the image size must be positive, got {width} x {height}")
