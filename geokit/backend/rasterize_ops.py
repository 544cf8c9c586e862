"""Splats blended front to back into a picture, with gradients."""

from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.backend.native import _native, custom_op, native_of, plain
from geokit.backend.projection_ops import check_size
from geokit.backend.tile_ops import bin_once, lists_once
from geokit.errors import InvalidInput

ALPHA_MIN = 1.0 / 255.0  # fainter contributions are skipped


def _rasterize_on_gpu(
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
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    slots = torch.are_deterministic_algorithms_enabled()
    lists = lists_once(means2d, conics, depths, opacities, waves, width, height, slots)
    image, transmittance, median_ids, ends = outputs = _outputs(features, width, height, median)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    native_of(features).rasterize_forward(
        *arrays, lists.offsets, lists.ids, width, height, image, transmittance, ends, median_ids if median else None,
        None,
    )  # fmt: skip
    return outputs


@custom_op("geokit::rasterize", cuda=_rasterize_on_gpu)
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
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    offsets, entries, _ = bin_once(means2d, conics, depths, opacities, waves, width, height)
    image, transmittance, median_ids, _ = outputs = _outputs(features, width, height, median)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    _native.rasterize_forward(
        *arrays, offsets, entries, width, height, image, transmittance, median_ids if median else None, None
    )
    return outputs


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
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _outputs(features, width, height, median)


def _outputs(features: Tensor, width: int, height: int, median: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The picture, its transmittance, the median ids and, on a GPU, how much of its list each pixel took."""

    def integers(wanted: bool) -> Tensor:
        return torch.empty((height, width) if wanted else (0, 0), dtype=torch.int32, device=features.device)

    image, transmittance = features.new_empty(height, width, features.shape[1]), features.new_empty(height, width)
    return image, transmittance, integers(median), integers(features.device.type != "cpu")


def _rasterize_backward_on_gpu(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    transmittance: Tensor,
    ends: Tensor,
    width: int,
    height: int,
    image_bar: Tensor,
    transmittance_bar: Tensor,
    absolute: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients; sums over tiles are atomic, or in a fixed order where torch is told to be deterministic."""
    slots = torch.are_deterministic_algorithms_enabled()
    lists = lists_once(means2d, conics, depths, opacities, waves, width, height, slots, again=True)
    arrays = plain(means2d, conics, opacities, features, waves, background)
    length = 6 + 2 * absolute + features.shape[1] + 4 * waves.shape[1]
    rows = features.new_zeros(len(lists.ids) if slots else len(means2d), length)
    gradients = tuple(torch.empty_like(array) for array in arrays[:5])
    probe_bar = means2d.new_empty(len(means2d) if absolute else 0, 2)
    native_of(features).rasterize_backward(
        *arrays, lists.offsets, lists.ids, width, height, lists.slots, lists.first_slots,
        *plain(transmittance, ends, image_bar, transmittance_bar), rows, *gradients, probe_bar if absolute else None,
    )  # fmt: skip
    return *gradients, probe_bar  # type: ignore[return-value]


@custom_op("geokit::rasterize_backward", cuda=_rasterize_backward_on_gpu)
def _rasterize_backward(
    means2d: Tensor,
    conics: Tensor,
    depths: Tensor,
    opacities: Tensor,
    features: Tensor,
    waves: Tensor,
    background: Tensor,
    transmittance: Tensor,
    ends: Tensor,
    width: int,
    height: int,
    image_bar: Tensor,
    transmittance_bar: Tensor,
    absolute: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    offsets, entries, first_slots = bin_once(means2d, conics, depths, opacities, waves, width, height)
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
    transmittance: Tensor,
    ends: Tensor,
    width: int,
    height: int,
    image_bar: Tensor,
    transmittance_bar: Tensor,
    absolute: bool,
) -> tuple[Tensor, ...]:
    like = (t.new_empty(t.shape) for t in (means2d, conics, opacities, features, waves))
    return *like, means2d.new_empty(means2d.shape[0] if absolute else 0, 2)


def _rasterize_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    ctx.mark_non_differentiable(*output[2:])
    ctx.save_for_backward(*inputs[:7], output[1], output[3])
    ctx.absolute, ctx.width, ctx.height = inputs[7] is not None, *inputs[8:10]


def _rasterize_vjp(ctx: Any, image_bar: Tensor, transmittance_bar: Tensor, *_: Any) -> tuple[Any, ...]:
    *inputs, transmittance, ends = ctx.saved_tensors
    means2d, conics, opacities, features, waves, probe = _rasterize_backward(
        *inputs, transmittance, ends, ctx.width, ctx.height, image_bar, transmittance_bar, ctx.absolute
    )
    background = (image_bar * transmittance[..., None]).sum((0, 1)) if ctx.needs_input_grad[6] else None
    probe = probe if ctx.absolute else None
    return means2d, conics, None, opacities, features, waves, background, probe, None, None, None


_rasterize.register_autograd(_rasterize_vjp, setup_context=_rasterize_setup)


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
    check_size(width, height)
    image, transmittance, median_ids, _ = _rasterize(
        means2d, conics, depths.detach(), opacities, features, waves, background, screen_probe, width, height, median
    )
    return image, transmittance, median_ids
