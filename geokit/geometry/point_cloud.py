"""Coloured points in space."""

from dataclasses import dataclass

from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor


@dataclass(frozen=True)
class PointCloud:
    """P points: points (P, 3) float in the capture's own unit, colors (P, 3) float in [0, 1] or None."""

    points: Tensor
    colors: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("points", self.points, ("P", 3), FLOATS, finite=True)
        if self.colors is not None:
            check_tensor("colors", self.colors, (len(self.points), 3), FLOATS, finite=True)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        colored = "coloured" if self.colors is not None else "without colours"
        if not len(self):
            return "PointCloud(empty)"
        low, high = self.points.amin(0).tolist(), self.points.amax(0).tolist()
        bounds = " x ".join(f"[{a:.3g}, {b:.3g}]" for a, b in zip(low, high))
        return f"PointCloud({len(self):,} points, {colored}, bounds {bounds})"
