"""What a picture of splats can show besides their colours: numbers and directions, and how they become colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from geokit.backend.splatting_ops import ALPHA_MIN, rasterize
from geokit.geometry import Cameras
from geokit.pipelines.colormap import inferno, viridis
from geokit.splatting.render import Projection, render

from .colors import legend_of as legend_between
from .colors import numbers_to_colors
from .layers.layer import Legend
from .streamed_splats import StreamedSplats

Mode = Literal["Colours", "Depth", "Normals", "Alpha", "Splat count", "Frequency"]
MODES: tuple[Mode, ...] = ("Colours", "Depth", "Normals", "Alpha", "Splat count", "Frequency")
_ROWS = 4_000_000  # (splat, row of pixels) pairs held at a time


@dataclass(frozen=True)
class Numbers:
    """values, coverage: (H, W); coverage in [0, 1] says how much of a pixel the value is true for."""

    values: Tensor
    coverage: Tensor

    def cpu(self) -> Numbers:
        """The same on the CPU."""
        return Numbers(self.values.cpu(), self.coverage.cpu())


@dataclass(frozen=True)
class _Measure:
    """title: for the legend. lowest, highest: the range is the values between these shares of the covered pixels."""

    title: str
    lowest: float | None
    highest: float | None
    colormap: Callable[[Tensor], Tensor]


_PAPER, _INK = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.10, 0.23, 0.42])
# None: the range begins at 0, or ends at 1, whatever is seen.
_MEASURES: dict[str, _Measure] = {
    "Depth": _Measure("Depth", 0.01, 0.99, lambda t: inferno(1 - t)),
    "Alpha": _Measure("Alpha", None, None, lambda t: torch.lerp(_PAPER.to(t), _INK.to(t), t[..., None])),
    "Splat count": _Measure("Splats at a pixel, hidden ones too", None, 0.99, viridis),
    "Frequency": _Measure("Cycles per pixel", None, 0.99, viridis),
}


@torch.inference_mode()
def colors_of(streamed: StreamedSplats, camera: Cameras, background: Tensor) -> Tensor:
    """(H, W, 3) the picture of the splats, as `geokit.splatting.render` gives it."""
    return render(
        streamed.splats, camera, background=background, antialiased=streamed.antialiased, near=streamed.near
    ).image


@torch.inference_mode()
def normals_of(streamed: StreamedSplats, camera: Cameras, background: Tensor) -> Tensor:
    """(H, W, 3) the blended shortest axes, turned to the camera: red, green, blue from -1 to 1 along world x, y, z."""
    seen = streamed.project(camera)
    toward = camera.centers[0].to(streamed.splats.means.dtype) - streamed.splats.means
    axes = streamed.shortest_axes
    axes = torch.where((axes * toward).sum(1, keepdim=True) < 0, -axes, axes)
    blended, alpha = _blended(streamed, seen, camera, axes)
    colors = torch.nn.functional.normalize(blended, dim=-1) / 2 + 0.5
    return colors * alpha[..., None] + background * (1 - alpha[..., None])


@torch.inference_mode()
def numbers_of(mode: Mode, streamed: StreamedSplats, camera: Cameras, zoom: float = 1.0) -> Numbers:
    """What `mode` measures at the pixels of `camera`. zoom: pixels of the screen in one pixel of this picture, linear.

    Depth is the mean depth of what is seen along the optical axis, in world units. Alpha is the coverage. The splat
    count is exact for Gaussians; of waves the ellipse that they cannot leave counts. Frequency, in cycles per pixel of
    the screen, is the blended mean of each splat's: that of its waves by their strength, or without waves
    1 / (2 pi sigma) of the shortest axis of its ellipse in the picture.
    """
    seen, (width, height) = streamed.project(camera), camera.sizes[0]
    if mode == "Splat count":
        counts = splats_at_pixels(seen, streamed.amplitudes(seen), width, height)
        return Numbers(counts, (counts > 0).to(seen.depths.dtype))
    if mode == "Frequency":
        feature = frequencies_of(seen, streamed.wave_weights) / zoom
    else:
        feature = seen.depths / streamed.scale
    blended, alpha = _blended(streamed, seen, camera, feature[:, None].expand(-1, 3))
    if mode == "Alpha":
        return Numbers(alpha, torch.ones_like(alpha))
    return Numbers(blended[..., 0] / alpha.clamp_min(1e-6), alpha)


def legend_of(mode: Mode, numbers: Numbers) -> Legend:
    """The range of what is seen, rounded to two digits, and its colours."""
    measure = _MEASURES[mode]
    known = numbers.values[numbers.coverage > 0.5].double().numpy()
    low, high = 0.0, 1.0
    if len(known):
        low = 0.0 if measure.lowest is None else _rounded(float(np.quantile(known, measure.lowest)), math.floor)
        if measure.highest is not None:
            high = _rounded(float(np.quantile(known, measure.highest)), math.ceil)
    return legend_between(measure.title, np.array([low, max(high, low)]), measure.colormap)


def colored(numbers: Numbers, legend: Legend, background: Tensor) -> Tensor:
    """(H, W, 3) numbers in the colours of their legend, over the background where they are not known."""
    flat = numbers_to_colors(numbers.values.double().reshape(-1).numpy(), legend)
    colors = torch.from_numpy(flat).to(background.dtype).view(*numbers.values.shape, 3)
    return torch.lerp(background.expand_as(colors), colors, numbers.coverage[..., None].to(background.dtype))


def splats_at_pixels(seen: Projection, amplitudes: Tensor, width: int, height: int) -> Tensor:
    """(H, W) how many splats' ellipses alpha >= 1/255 hold a pixel's centre, hidden ones too. amplitudes: (N,).

    An ellipse covers one run of pixels in a row; the runs are added up as differences along the row.
    """
    chosen = (seen.depths > 0) & (amplitudes >= ALPHA_MIN)
    x, y = seen.means2d[chosen].double().unbind(1)
    a, b, c = seen.conics[chosen].double().unbind(1)
    reach = 2 * torch.log(amplitudes[chosen].double() / ALPHA_MIN)
    half = (reach * a / (a * c - b * b)).sqrt()
    first = (y - half - 0.5).ceil().clamp_min(0).long()
    counts = ((y + half - 0.5).floor().clamp_max(height - 1).long() - first + 1).clamp_min(0)
    device = x.device
    steps = torch.zeros(height * (width + 1), dtype=torch.int32, device=device)
    ends = counts.cumsum(0)
    begin = 0
    while begin < len(counts):
        past = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(torch.searchsorted(ends, past + _ROWS, right=True)))
        n = torch.arange(begin, end, device=device).repeat_interleave(counts[begin:end])
        row = first[n] + torch.arange(len(n), device=device) - (ends[n] - counts[n] - past)
        dy = row + 0.5 - y[n]
        root = ((b[n] * dy) ** 2 - a[n] * (c[n] * dy * dy - reach[n])).clamp_min(0).sqrt()
        left = (x[n] + (-b[n] * dy - root) / a[n] - 0.5).ceil().clamp(0, width).long()
        right = (x[n] + (-b[n] * dy + root) / a[n] - 0.5).floor().clamp(-1, width - 1).long() + 1
        inside = right > left
        start = (row * (width + 1))[inside]
        one = torch.ones(len(start), dtype=torch.int32, device=device)
        steps.index_add_(0, start + left[inside], one).index_add_(0, start + right[inside], -one)
        begin = end
    return steps.view(height, width + 1).cumsum(1)[:, :width].to(seen.depths.dtype)


def frequencies_of(seen: Projection, weights: Tensor) -> Tensor:
    """(N,) cycles per pixel of each splat in the picture; 0 for those that are culled. weights: (N, K, 2)."""
    a, b, c = seen.conics.unbind(1)
    steepest = (a + c) / 2 + ((a - c) ** 2 / 4 + b * b).sqrt()  # 1 / sigma^2 of the shortest axis
    plain = steepest.sqrt() / (2 * math.pi)
    if not weights.shape[1]:
        return plain
    strength = weights.norm(dim=2) * seen.waves2d[..., 2]
    waves = (seen.waves2d[..., :2].norm(dim=2) * strength).sum(1) / strength.sum(1).clamp_min(1e-12)
    return torch.where(strength.sum(1) > 1e-6, waves, plain)


def _blended(streamed: StreamedSplats, seen: Projection, camera: Cameras, features: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, 3) blended over nothing (H, W, 3), and the coverage (H, W). Three channels are the fast path."""
    width, height = camera.sizes[0]
    image, through, _ = rasterize(
        seen.means2d, seen.conics, seen.depths, seen.opacities, features.contiguous(),
        seen.waves(streamed.wave_weights), features.new_zeros(3), width, height, None, False,
    )  # fmt: skip
    return image, 1 - through


def _rounded(value: float, direction: Callable[[float], int]) -> float:
    """To two digits, down or up."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{direction(value / step) * step:.2g}")
