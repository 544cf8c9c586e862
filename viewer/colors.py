"""Numbers as colours, with the legend that says which is which."""

import numpy as np
import torch
from geokit.viewer.layers.layer import Legend
from numpy.typing import NDArray

from geokit.pipelines.colormap import viridis

_STEPS = 256
_UNKNOWN = (0.5, 0.5, 0.5)  # of what is not finite


def legend_of(title: str, values: NDArray[np.float64], colormap: object = viridis) -> Legend:
    """The legend of `values` (N,): from the lowest to the highest finite one."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    steps = torch.linspace(0, 1, _STEPS, dtype=torch.float64)
    return Legend(title, low, high, colormap(steps).double().numpy())  # type: ignore[operator]


def numbers_to_colors(values: NDArray[np.float64], legend: Legend) -> NDArray[np.float64]:
    """(N, 3) sRGB in [0, 1]; grey where a value is not finite."""
    place = (values - legend.low) / ((legend.high - legend.low) or 1.0) * (len(legend.colors) - 1)
    known = np.isfinite(place)
    index = np.where(known, place, 0).clip(0, len(legend.colors) - 1).round().astype(int)
    return np.where(known[:, None], legend.colors[index], np.asarray(_UNKNOWN))
