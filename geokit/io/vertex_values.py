"""What readers of points and readers of meshes decide alike: the precision of text, and what colours mean."""

import warnings
from pathlib import Path

import numpy as np

_ROUNDED = 1e-6  # of the extent: how far float32 may move a point of a text file
_ROUNDED_ALONE = 1e-3  # the same for a single point, in the file's unit
_STRAY = 1e-3  # how far rounding may put a colour outside [0, 1]


def decimals(points: np.ndarray) -> np.ndarray:
    """(N, 3) float64 numbers of a text file, as float32 where that moves no point by a millionth of the extent.

    Coordinates of a map move further and stay float64. A single point, without an extent, may move by a thousandth.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        short = points.astype(np.float32)
        finite = points if np.isfinite(points).all() else points[np.isfinite(points).all(axis=1)]
        if not len(finite):
            return short
        low, high = finite.min(axis=0), finite.max(axis=0)
        largest = max(abs(low).max(), abs(high).max())
        moved = largest * np.finfo(np.float32).eps / 2
        allowed = _ROUNDED * np.linalg.norm(high - low) or _ROUNDED_ALONE
        return short if largest <= np.finfo(np.float32).max and moved <= allowed else points


def unit_colors(path: Path, colors: np.ndarray, kind: np.dtype | type) -> np.ndarray | None:
    """Colours (N, 3) of any type as `kind` in [0, 1]; None, with a warning, where no scale makes them that.

    Integers count by the largest of their type. Whole floats above 1 are bytes, above 255 numbers of 16 bits; other
    floats are taken as they are.
    """
    highest = float(colors.max()) if colors.size else 0.0
    scale = 1.0
    if colors.dtype.kind in "iu":
        scale = float(np.iinfo(colors.dtype).max)
    elif 1 < highest <= 65535 and bool((colors == np.round(colors)).all()):
        scale = 255.0 if highest <= 255 else 65535.0
    least = float(colors.min()) / scale if colors.size else 0.0
    if not (least >= -_STRAY and highest / scale <= 1 + _STRAY):
        warnings.warn(f"{path}: its colours are neither in 0..1 nor bytes and were left out", stacklevel=4)
        return None
    scaled = np.divide(colors, np.asarray(scale, kind), dtype=kind, casting="unsafe")
    return scaled if least >= 0 and highest <= scale else scaled.clip(0, 1)
