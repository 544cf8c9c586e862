"""Splatting as torch operators: projection, spherical harmonics, tiles, rasterization.

Each operator is one native kernel forward and one backward; shapes are checked by the public functions at the end.
"""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, plain
from geokit.errors import InvalidInput

TILE = 16  # pixels
ALPHA_MIN = 1.0 / 255.0  # fainter contributions are skipped
_MOST_ENTRIES = 2**31 - 1  # (splat, tile) pairs that 32-bit indices can count
_PROJECT_BLOCK = 1024  # splats a partial camera gradient covers (kProjectBlock)

# ---------------------------------------------------------------------------------------------------- projection


@torch.library.custom_op("geokit::project", mutates_args=(), device_types="cpu")
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
    _native.project_forward(*arrays, width, height, dilation, near, *outputs)
    return outputs


def _project_outputs(means: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    n, k = frequencies.shape[:2]
    new = means.new_empty
    return new(n, 2), new(n), new(n, 3), new(n), new(n, k, 3)


@_project.register_fake
def _(means: Tensor, quats: Tensor, scales: Tensor, frequencies: Tensor, *_rest: Any) -> tuple[Tensor, ...]:
    return _project_outputs(means, frequencies)


@torch.library.custom_op("geokit::project_backward", mutates_args=(), device_types="cpu")
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
    _native.project_backward(*arrays, width, height, dilation, near, *plain(depths), *cotangents, *gradients, partial)
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

# ------------------------------------------------------------------------------------------- spherical harmonics


@torch.library.custom_op("geokit::spherical_harmonics", mutates_args=(), device_types="cpu")
def _harmonics(degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None) -> Tensor:
    colors = directions.new_empty(len(directions), 3)
    seen = None if visible is None else visible.contiguous()
    _native.harmonics_forward(degree, *plain(directions, coeffs), seen, colors)
    return colors


@_harmonics.register_fake
def _(degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None) -> Tensor:
    return directions.new_empty(directions.shape[0], 3)


@torch.library.custom_op("geokit::spherical_harmonics_backward", mutates_args=(), device_types="cpu")
def _harmonics_backward(
    degree: int, directions: Tensor, coeffs: Tensor, visible: Tensor | None, colors_bar: Tensor
) -> tuple[Tensor, Tensor]:
    directions, coeffs, colors_bar = plain(directions, coeffs, colors_bar)
    directions_bar, coeffs_bar = torch.empty_like(directions), torch.empty_like(coeffs)
    seen = None if visible is None else visible.contiguous()
    _native.harmonics_backward(degree, directions, coeffs, seen, colors_bar, directions_bar, coeffs_bar)
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

# ------------------------------------------------------------------------------------------------- rasterization


def _bin(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """offsets (tiles + 1,), entries (I, 3) = id, slot, rows, first_slots (N + 1,); see cuda_ext/splatting/bin.h."""
    arrays = plain(means2d, conics, depths, amplitudes)
    n = len(depths)

    def integers(*size: int) -> Tensor:
        return torch.empty(size, dtype=torch.int32, device=means2d.device)

    reaches, counts = means2d.new_empty(n), integers(n)
    total = _native.bin_count(*arrays, width, height, reaches, counts)
    if total > _MOST_ENTRIES:
        raise InvalidInput(
            f"the splats touch {total:,} tiles of a {width} x {height} picture in all, more than {_MOST_ENTRIES:,}; "
            "render a smaller picture or fewer, smaller splats"
        )
    tiles = -(-width // TILE) * -(-height // TILE)
    offsets, entries, first_slots = integers(tiles + 1), integers(total, 3), integers(n + 1)
    _native.bin_fill(*arrays, width, height, reaches, counts, offsets, entries, first_slots)
    return offsets, entries, first_slots


_last_binning: tuple[tuple[Tensor, ...], tuple[object, ...], tuple[Tensor, Tensor, Tensor]] | None = None


def _bin_once(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, waves: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`_bin`, remembered: the backward pass that follows a forward pass finds the lists made.

    The lists have a size that depends on the data, so they cannot be an output of the operator under torch.compile. The
    memory holds on to its inputs, so that equal addresses and versions mean equal values.
    """
    global _last_binning
    inputs = (means2d, conics, depths, opacities, waves)
    if any(t.is_inference() for t in inputs):  # these have no version; nothing comes back to them either
        return _bin(means2d, conics, depths, _amplitudes(opacities, waves), width, height)
    key = (width, height, *((t.data_ptr(), t._version, t.shape, t.stride()) for t in inputs))
    last = _last_binning
    if last is not None and last[1] == key:
        return last[2]
    found = _bin(means2d, conics, depths, _amplitudes(opacities, waves), width, height)
    _last_binning = tuple(t.detach() for t in inputs), key, found
    return found


def forget_binning() -> None:
    """Drop the remembered lists, and the tensors that they hold on to; for measurements of a first call."""
    global _last_binning
    _last_binning = None


def _amplitudes(opacities: Tensor, waves: Tensor) -> Tensor:
    """(N,) upper bound of alpha: opacity (1 + sum_k hypot(a_k, b_k))."""
    opacities, waves = opacities.detach(), waves.detach()
    return opacities * (1 + waves[..., 2:].norm(dim=-1).sum(-1)) if waves.shape[1] else opacities


@torch.library.custom_op("geokit::rasterize", mutates_args=(), device_types="cpu")
def _rasterize(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    screen_probe: Tensor | None,
    width: int,
    height: int,
    median: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    offsets, entries, _ = _bin_once(means2d, conics, depths, opacities, waves, width, height)
    image = features.new_empty(height, width, features.shape[1])
    transmittance = features.new_empty(height, width)
    median_ids = torch.empty((height, width) if median else (0, 0), dtype=torch.int32, device=features.device)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    _native.rasterize_forward(
        *arrays, offsets, entries, width, height, image, transmittance, median_ids if median else None, None
    )
    return image, transmittance, median_ids


@_rasterize.register_fake
def _(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    screen_probe: Tensor | None,
    width: int,
    height: int,
    median: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    median_ids = torch.empty((height, width) if median else (0, 0), dtype=torch.int32, device=features.device)
    return features.new_empty(height, width, features.shape[1]), features.new_empty(height, width), median_ids


@torch.library.custom_op("geokit::rasterize_backward", mutates_args=(), device_types="cpu")
def _rasterize_backward(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    width: int,
    height: int,
    image_bar: Tensor,
    transmittance_bar: Tensor,
    absolute: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    offsets, entries, first_slots = _bin_once(means2d, conics, depths, opacities, waves, width, height)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    bars = plain(image_bar, transmittance_bar)
    rows = features.new_empty(len(entries), 8 + features.shape[1] + 4 * waves.shape[1])
    gradients = tuple(torch.empty_like(array) for array in arrays[:5])
    probe_bar = means2d.new_empty(len(means2d) if absolute else 0, 2)
    _native.rasterize_backward(
        *arrays, offsets, entries, width, height, first_slots, *bars, rows, *gradients,
        probe_bar if absolute else None,
    )  # fmt: skip
    return *gradients, probe_bar  # type: ignore[return-value]


@_rasterize_backward.register_fake
def _(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    width: int,
    height: int,
    image_bar: Tensor,
    transmittance_bar: Tensor,
    absolute: bool,
) -> tuple[Tensor, ...]:
    like = (t.new_empty(t.shape) for t in (means2d, conics, opacities, features, waves))
    return *like, means2d.new_empty(means2d.shape[0] if absolute else 0, 2)


def _rasterize_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(output[2])
    ctx.save_for_backward(*inputs[:7], output[1])
    ctx.absolute, ctx.width, ctx.height = inputs[7] is not None, *inputs[8:10]


def _rasterize_vjp(ctx: Any, image_bar: Tensor, transmittance_bar: Tensor, _ids_bar: Any) -> tuple[Any, ...]:
    *inputs, transmittance = ctx.saved_tensors
    means2d, conics, opacities, features, waves, probe = _rasterize_backward(
        *inputs, ctx.width, ctx.height, image_bar, transmittance_bar, ctx.absolute
    )
    background = (image_bar * transmittance[..., None]).sum((0, 1)) if ctx.needs_input_grad[6] else None
    probe = probe if ctx.absolute else None
    return means2d, conics, None, opacities, features, waves, background, probe, None, None, None


_rasterize.register_autograd(_rasterize_vjp, setup_context=_rasterize_setup)

# ---------------------------------------------------------------------------------------------- public functions


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
    _check_size(width, height)
    return _project(
        means, quats, scales, frequencies, amplitudes.detach(), world_to_camera, intrinsics,
        width, height, dilation, near,
    )  # fmt: skip


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
    screen_probe: Tensor | None = None,
    median: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Blend N splats front to back: image (H, W, C), transmittance (H, W), median_ids (H, W) int32.

    means2d (N, 2) pixels, conics (N, 3), depths (N,) order only (<= 0: culled), opacities (N,), features (N, C),
    waves (N, K, 4) = fx, fy in cycles per pixel, cosine and sine weight; background (C,).
    alpha = o exp(-(a dx^2 + 2 b dx dy + c dy^2) / 2) (1 + sum_k a_k cos(2 pi f_k.d) + b_k sin(2 pi f_k.d)), at most
    0.999, skipped below 1/255. A row of a tile stops (checked every eighth splat) once each of its
    pixels transmits less than 1e-4.
    median_ids: the first splat after which transmittance < 1/2, or -1 (empty unless `median`).
    screen_probe (N, 2): its value is not used; its gradient is the sum over pixels of |dL / d means2d| (AbsGS, Ye et
    al. 2024).
    """
    check_tensor("means2d", means2d, ("N", 2), FLOATS)
    n, dtype = len(means2d), means2d.dtype
    check_tensor("conics", conics, (n, 3), dtype)
    check_tensor("depths", depths, (n,), dtype)
    check_tensor("opacities", opacities, (n,), dtype)
    check_tensor("features", features, (n, "C"), dtype)
    check_tensor("waves", waves, (n, "K", 4), dtype)
    check_tensor("background", background, (features.shape[1],), dtype)
    if screen_probe is not None:
        check_tensor("screen_probe", screen_probe, (n, 2), dtype)
    if waves.shape[1] > 16:
        raise InvalidInput(f"a splat carries at most 16 waves, got {waves.shape[1]}")
    _check_size(width, height)
    return _rasterize(
        means2d, conics, depths.detach(), opacities, features, waves, background, screen_probe, width, height, median
    )


def tile_intersections(
    means2d: Tensor, conics: Tensor, depths: Tensor, amplitudes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    """offsets (tiles + 1,) and splat_ids (I,), int32: the splats of each 16x16 tile, row-major, front to back."""
    check_tensor("means2d", means2d, ("N", 2), FLOATS)
    n, dtype = len(means2d), means2d.dtype
    check_tensor("conics", conics, (n, 3), dtype)
    check_tensor("depths", depths, (n,), dtype)
    check_tensor("amplitudes", amplitudes, (n,), dtype)
    _check_size(width, height)
    offsets, entries, _ = _bin(means2d, conics, depths, amplitudes, width, height)
    return offsets, entries[:, 0].contiguous()


def count_pairs(
    means2d: Tensor, conics: Tensor, depths: Tensor, opacities: Tensor, waves: Tensor, width: int, height: int
) -> int:
    """Number of (splat, pixel) pairs that `rasterize` evaluates for this scene."""
    offsets, entries, _ = _bin(means2d, conics, depths, _amplitudes(opacities, waves), width, height)
    features, background = means2d.new_zeros(len(means2d), 1), means2d.new_zeros(1)
    pairs = torch.empty(len(offsets) - 1, dtype=torch.int64)
    image, transmittance = means2d.new_empty(height, width, 1), means2d.new_empty(height, width)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    _native.rasterize_forward(*arrays, offsets, entries, width, height, image, transmittance, None, pairs)
    return int(pairs.sum())


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InvalidInput(f"the image size must be positive, got {width} x {height}")
