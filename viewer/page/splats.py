"""Splats as the page draws them: all clouds of the scene in one store, quantised where nobody sees it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geokit.geometry import Splats

from ..drawables import SplatCloud
from ..frame import ViewFrame
from .pack import Pack

MOST_WAVES = 12  # a splat: what every WebGL2 can carry from a vertex to a pixel
_SCALE_STEP = 1024  # of a natural logarithm
_MOST_CODE = 127


def packed_splats(clouds: Sequence[tuple[int, SplatCloud]], frame: ViewFrame, pack: Pack) -> dict[str, Any] | None:
    """What the page is told of (number of the layer, splats); their arrays go into `pack`. None without splats.

    Kept: means as float32 in view coordinates. Rounded, with the largest error: quaternions to 16 bits (2e-5), sizes to
    0.05 %, opacities to 16 bits (8e-6), constant colours to float16 (2e-4 of the colour), higher harmonics to 8 bits on
    a scale that is finer for small ones (1.6 % of the largest of their degree at its end, 3e-5 of it at zero), waves to
    float16. Left out is what no camera sees: splats fainter than 1/255 or with values that are not finite.
    """
    drawn = [(layer, cloud, _drawn(cloud.splats)) for layer, cloud in clouds]
    drawn = [(layer, cloud, splats) for layer, cloud, splats in drawn if len(splats)]
    if not drawn:
        return None
    parts = [splats for _, _, splats in drawn]
    degree = max(splats.sh_degree for splats in parts)
    waves = min(max(splats.waves for splats in parts), MOST_WAVES)
    ranges, start = [], 0
    for layer, cloud, splats in drawn:
        ranges.append({"layer": layer, "start": start, "count": len(splats), "antialiased": cloud.antialiased})
        start += len(splats)
    quats = _joined([splats.quats for splats in parts])
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    logs = _joined([splats.log_scales for splats in parts]) + math.log(frame.scale)
    opacities = _joined([splats.logit_opacities.double().sigmoid() for splats in parts])
    harmonics = np.zeros((start, (degree + 1) ** 2, 3), np.float32)
    for part, place in zip(parts, ranges):
        harmonics[place["start"] : place["start"] + len(part), : part.sh_coeffs.shape[1]] = _array(part.sh_coeffs)
    largest, codes = _higher_harmonics(harmonics[:, 1:], degree)
    told: dict[str, Any] = {
        "count": start,
        "degree": degree,
        "waves": waves,
        "ranges": ranges,
        "means": pack.add(frame.to_view(_joined([splats.means for splats in parts]))),
        "quats": pack.add((quats * 32767).round().astype(np.int16)),
        "logScales": pack.add((logs * _SCALE_STEP).round().clip(-32767, 32767).astype(np.int16)),
        "scaleStep": _SCALE_STEP,
        "opacities": pack.add((opacities * 65535).round().astype(np.uint16)),
        "base": pack.add(_half(harmonics[:, 0])),
        "higher": pack.add(codes),
        "largest": largest,
    }
    if waves:
        told |= _waves(parts, waves, frame, pack)
    return told


def _drawn(splats: Splats) -> Splats:
    """The splats that some camera can see, with their strongest waves first."""
    splats = splats.map(lambda t: t.detach().cpu())
    strength = splats.wave_weights.norm(dim=2) if splats.waves else splats.means.new_zeros(len(splats), 0)
    strength = strength.amax(-1) if strength.dim() == 3 else strength
    finite = torch.ones(len(splats), dtype=torch.bool)
    for values in splats.tensors().values():
        finite &= values.flatten(1).isfinite().all(1) if values.dim() > 1 else values.isfinite()
    bright = splats.logit_opacities.double().sigmoid() * (1 + strength.double().sum(1)) > 1 / 255
    chosen = finite & bright & (splats.quats.norm(dim=1) > 0)
    splats, strength = splats[chosen], strength[chosen]
    if splats.waves <= MOST_WAVES:
        return splats
    order = strength.argsort(dim=1, descending=True)[:, :MOST_WAVES]
    rows = torch.arange(len(splats))[:, None]
    return splats.replace(
        wave_frequencies=splats.wave_frequencies[rows, order], wave_weights=splats.wave_weights[rows, order]
    )


def _higher_harmonics(values: NDArray[np.float32], degree: int) -> tuple[list[float], NDArray[np.uint8]]:
    """The largest value of each degree from 1 on, and codes (N, 4 ceil(3 (B - 1) / 4)) of values (N, B - 1, 3).

    value = sign(c) (c / 127)^2 largest, c = code - 128; rows are filled up to whole texels of four bytes.
    """
    largest = []
    codes = np.full((len(values), -(-3 * values.shape[1] // 4) * 4), 128, np.uint8)
    for d in range(1, degree + 1):
        band = values[:, d * d - 1 : (d + 1) ** 2 - 1]
        largest.append(float(np.abs(band).max()) or 1.0)
        code = np.sign(band) * np.sqrt(np.abs(band) / largest[-1]) * _MOST_CODE
        codes[:, 3 * (d * d - 1) : 3 * ((d + 1) ** 2 - 1)] = (
            (code.round() + 128).astype(np.uint8).reshape(len(band), -1)
        )
    return largest, codes


def _waves(parts: Sequence[Splats], waves: int, frame: ViewFrame, pack: Pack) -> dict[str, Any]:
    """Frequencies (N, K, 3) in cycles per view unit, weights (N, K, 2) or (N, K, 2, 3); absent waves weigh nothing."""
    count = sum(len(part) for part in parts)
    colored = any(part.wave_weights.dim() == 4 for part in parts)
    frequencies, weights = np.zeros((count, waves, 3)), np.zeros((count, waves, 2, 3 if colored else 1))
    start = 0
    for part in parts:
        rows = slice(start, start + len(part))
        values = _array(part.wave_weights)
        frequencies[rows, : part.waves] = _array(part.wave_frequencies) / frame.scale
        weights[rows, : part.waves] = values if values.ndim == 4 else values[..., None]
        start += len(part)
    return {"frequencies": pack.add(_half(frequencies)), "weights": pack.add(_half(weights)), "coloredWaves": colored}


def _half(values: NDArray[Any]) -> NDArray[np.uint16]:
    """The bits of float16 numbers, which textures take as they are."""
    return values.clip(-65504, 65504).astype(np.float16).view(np.uint16)


def _joined(tensors: Sequence[Tensor]) -> NDArray[np.float64]:
    return np.concatenate([_array(t) for t in tensors])


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.double().numpy()
