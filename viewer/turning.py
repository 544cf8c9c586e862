"""Shapes moved by a rigid motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.geometry import Cameras, Mesh, PointCloud, Splats
from geokit.geometry.splat_transforms import transform_splats
from geokit.geometry.transforms import transform

TURNED = (Mesh, PointCloud, Splats, Cameras)


def turned_shape(shape: Any, matrix: NDArray[np.float64]) -> Any:
    """One of `TURNED` moved by a rigid (4, 4)."""
    motion = torch.from_numpy(matrix)
    if isinstance(shape, Splats):
        return transform_splats(shape, motion)
    if isinstance(shape, Cameras):
        poses = shape.world_to_camera @ torch.linalg.inv(motion).to(shape.world_to_camera)
        return Cameras(poses, shape.K, shape.sizes, shape.names)
    return transform(shape, motion)
