"""One scan brought onto another: the pose, how well it fits, and the moved shape as a file."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud, Splats
from geokit.geometry.icp import Registration, icp
from geokit.geometry.mesh import Mesh
from geokit.geometry.registration import register as find_pose
from geokit.geometry.transforms import transform
from geokit.pipelines.convert import check_free, check_target, write_shape
from geokit.pipelines.observer import Observer
from geokit.pipelines.open_shape import OpenedShape, open_shape

_DOUBTFUL = 0.3  # share of A on B below which the result is called into question


@dataclass(frozen=True)
class Registered:
    """What `register` found. shape: A in the frame of B. lost: sentences about what the written file does not hold."""

    registration: Registration
    shape: Mesh | PointCloud
    extent: float
    messages: tuple[str, ...]
    lost: tuple[str, ...] = ()

    @property
    def angle(self) -> float:
        """How far A was turned, in radians."""
        return rotation_angle(self.registration.matrix)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        found = self.registration
        return {
            "matrix": found.matrix.tolist(),
            "angle": self.angle,
            "translation": found.matrix[:3, 3].tolist(),
            "fitness": found.fitness,
            "rmse": found.rmse,
            "pairs": found.inliers,
            "max_distance": found.max_distance,
            "iterations": found.iterations,
            "converged": found.converged,
            "messages": [*self.messages, *self.lost],
        }


def register(
    source: str | Path,
    target: str | Path,
    output: str | Path | None = None,
    *,
    voxel: float | None = None,
    near: bool = False,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Registered:
    """Find the rigid motion that brings the mesh or cloud `source` onto `target`, and write it moved as `output`.

    voxel: see `geokit.geometry.registration.register`. near: the source lies about right already, so that only the fine
    alignment is made. Raises `InvalidInput` for splats, for shapes of a few points, and where `output` exists or cannot
    hold the shape, unless `overwrite`; `NumericalFailure` where nothing fits.
    """
    observer = observer or Observer()
    if output is not None:
        check_target(Path(output), overwrite)
    opened: list[OpenedShape] = []
    for path in (Path(source), Path(target)):
        observer.phase(f"reading {path.name}")
        opened.append(open_shape(path))
        if isinstance(opened[-1].shape, Splats):
            raise InvalidInput(f"{path} holds splats; register surfaces: make one of them with geokit mesh first")
    moving, fixed = opened[0].shape, opened[1].shape
    assert isinstance(moving, Mesh | PointCloud)
    assert isinstance(fixed, Mesh | PointCloud)
    if output is not None:
        check_free(moving, Path(output), overwrite)
    observer.phase("aligning")
    found = icp(moving, fixed) if near else find_pose(moving, fixed, voxel=voxel)
    precise = moving.to(_precision(moving, fixed))
    moved = transform(precise, found.matrix)  # type: ignore[type-var]
    messages = [f"{p.name}: {m}" for p, o in zip((Path(source), Path(target)), opened) for m in o.messages]
    if found.fitness < _DOUBTFUL:
        messages.append(
            f"only {100 * found.fitness:.0f} % of A came to lie on B: where more of it should, the result is wrong"
        )
    lost: tuple[str, ...] = ()
    if output is not None:
        observer.phase(f"writing {Path(output).name}")
        _, told = write_shape(moved, Path(source), Path(output), opened[0].feature_names)
        lost = tuple(told)
    return Registered(found, moved, fixed.extent, tuple(messages), lost)


def rotation_angle(matrix: Tensor) -> float:
    """The angle of the rotation in a matrix (3, 3) or (4, 4), in radians; exact near 0 and pi."""
    r = matrix[:3, :3].double()
    r = r / torch.linalg.det(r).abs() ** (1 / 3)
    sine = torch.stack([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]).norm()
    return math.atan2(float(sine), float(r.trace()) - 1)


def _precision(moving: Mesh | PointCloud, fixed: Mesh | PointCloud) -> torch.dtype:
    """Double where either shape has it: a moved scan needs the digits of the frame it comes into."""
    kinds = [(shape.vertices if isinstance(shape, Mesh) else shape.points).dtype for shape in (moving, fixed)]
    return torch.promote_types(*kinds)
