"""Points in space, with what is known at each."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_one_device, check_tensor
from geokit.geometry.bounds import describe_bounds


@dataclass(frozen=True)
class PointCloud:
    """N points, in the capture's own frame and length unit.

    points: (N, 3) float32 or float64. colors: (N, 3) in [0, 1]. normals: (N, 3) unit. features: (N, C), anything else.
    """

    points: Tensor
    colors: Tensor | None = None
    normals: Tensor | None = None
    features: Tensor | None = None

    def __post_init__(self) -> None:
        check_tensor("points", self.points, ("N", 3), FLOATS, finite=True)
        check_one_device(**self.tensors())
        count = len(self.points)
        for name, columns in (("colors", 3), ("normals", 3), ("features", "C")):
            if getattr(self, name) is not None:
                check_tensor(name, getattr(self, name), (count, columns), FLOATS, finite=name != "features")

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        if not len(self):
            return "PointCloud(empty)"
        extras = ["coloured" if self.colors is not None else "without colours"]
        extras += ["with normals"] if self.normals is not None else []
        extras += [f"{self.features.shape[1]} features"] if self.features is not None else []
        return f"PointCloud({len(self):,} points, {', '.join(extras)}, {describe_bounds(self.points)})"

    @property
    def extent(self) -> float:
        """The diagonal of the bounding box."""
        return float((self.points.amax(0) - self.points.amin(0)).norm()) if len(self) else 0.0

    def tensors(self) -> dict[str, Tensor]:
        """The fields that are there, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def to(self, target: torch.device | torch.dtype | str) -> "PointCloud":
        """The same cloud on another device or with another float dtype."""
        return PointCloud(**{name: t.to(target) for name, t in self.tensors().items()})

    def __getitem__(self, index: Tensor | slice) -> "PointCloud":
        return PointCloud(**{name: t[index] for name, t in self.tensors().items()})

    def replace(self, **changes: Tensor | None) -> "PointCloud":
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]
