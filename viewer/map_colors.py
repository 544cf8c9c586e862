"""Colours of two shapes that say what the map between them does."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import Mesh
from geokit.pipelines.map_file import PointMap
from geokit.pipelines.match_pictures import shape_colors

from .layers.layer import Legend

Coloring = Literal["by place", "coverage", "error", "their own"]

PALE = (0.80, 0.80, 0.79)  # where there is nothing to say
_ERRORS = ((0.95, 0.94, 0.90), (0.95, 0.62, 0.30), (0.70, 0.13, 0.13))  # small, middling, large
_TOP = 0.98  # the share of the errors that the scale reaches


def place_colors(point_map: PointMap, first: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N1, 3) sRGB colours by the place on the first shape, and (N2, 3) the same carried over by the map."""
    colors = shape_colors(first)
    return colors.numpy(), point_map.pull(colors, first.faces).clamp(0, 1).numpy()


def error_legend(values: NDArray[np.float64]) -> Legend:
    """From no error (pale) to one that nearly all are below (dark red); values: (N,) times 100."""
    low, middle, high = (np.asarray(color) for color in _ERRORS)
    share = np.linspace(0, 1, 256)[:, None]
    colors = np.where(share < 0.5, low + 2 * share * (middle - low), middle + (2 * share - 1) * (high - middle))
    return Legend("error x 100", 0.0, max(float(np.quantile(values, _TOP)), 1e-6), colors)


def plain(count: int) -> NDArray[np.float64]:
    """(count, 3) of the colour that says nothing."""
    return np.tile(np.asarray(PALE), (count, 1))
