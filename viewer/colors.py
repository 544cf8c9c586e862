"""Numbers as colours, with the legend that says which is which."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.pipelines.colormap import viridis

from .layers.layer import Legend

_STEPS = 256
_UNKNOWN = (0.5, 0.5, 0.5)  # of what is not finite


def legend_of(
    title: str,
    values: NDArray[np.float64],
    colormap: Callable[[torch.Tensor], torch.Tensor] = viridis,
    limits: tuple[float, float] | None = None,
) -> Legend:
    """The legend of `values` (N,): over `limits`, or from the lowest to the highest finite one."""
    known = values[np.isfinite(values)]
    if limits is None:
        limits = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    steps = torch.linspace(0, 1, _STEPS, dtype=torch.float64)
    return Legend(title, *limits, colormap(steps).double().numpy())


def usual_limits(values: NDArray[np.float64], share: float = 0.98, symmetric: bool = False) -> tuple[float, float]:
    """The range that the middle `share` of the finite `values` (N,) fills; symmetric: with 0 in its middle.

    Of values that nearly all are one it is the range of all. (0, 0) without any.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 0.0
    rest = (1 - share) / 2
    low, high = (float(x) for x in np.quantile(known, (rest, 1 - rest)))
    if high <= low:
        low, high = float(known.min()), float(known.max())
    if symmetric:
        high = max(abs(low), abs(high))
        low = -high
    return low, high


def numbers_to_colors(values: NDArray[np.float64], legend: Legend) -> NDArray[np.float64]:
    """(N, 3) sRGB in [0, 1]; grey where a value is not finite. A range of nothing has the middle of the colours."""
    count, span = len(legend.colors) - 1, legend.high - legend.low
    place = (values - legend.low) / span * count if span else np.where(np.isfinite(values), count / 2, np.nan)
    known = np.isfinite(place)
    index = np.where(known, place, 0).clip(0, count).round().astype(int)
    return np.where(known[:, None], legend.colors[index], np.asarray(_UNKNOWN))


def in_bytes(color: Sequence[float]) -> tuple[int, int, int]:
    """A colour in [0, 1] as the panel's pickers have it."""
    red, green, blue = (round(255 * c) for c in color)
    return red, green, blue


def from_picker(picked: Sequence[int], color: tuple[float, float, float]) -> tuple[float, float, float]:
    """The colour of a picker, in [0, 1]; `color` itself where that is what the picker shows."""
    red, green, blue = picked
    return color if tuple(picked) == in_bytes(color) else (red / 255, green / 255, blue / 255)
