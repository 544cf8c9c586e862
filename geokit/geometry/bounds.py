"""The bounding box of points, as numbers and as text."""

from torch import Tensor


def bounds(points: Tensor) -> list[list[float]] | None:
    """[lowest, highest] corner of the box around points (N, 3), or None where there are none."""
    return [points.amin(0).tolist(), points.amax(0).tolist()] if len(points) else None


def describe_bounds(points: Tensor) -> str:
    """The box in words, for a `repr`."""
    box = bounds(points)
    return "bounds " + " x ".join(f"[{a:.3g}, {b:.3g}]" for a, b in zip(*box)) if box else "empty"
