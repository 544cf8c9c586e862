"""Between the world of the shapes and the space in which the browser draws them.

The browser computes in float32, its splats in float16, and its depth reaches 167 units. So everything is shown in
"view" coordinates, view = scale (world - center), in which the first shapes fill a ball of radius `RADIUS`.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry import Cameras
from geokit.geometry.rotations import matrix_from_quaternion, quaternion_from_matrix

RADIUS = 2.0  # of what is shown first, in view coordinates
_FARTHEST = 1e18  # units; squares of distances are still numbers in float32


@dataclass(frozen=True)
class ViewFrame:
    """center: (3,) in the world. scale: view units in one world unit. Axes are the world's own."""

    center: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0

    @staticmethod
    def around(bounds: NDArray[np.float64]) -> "ViewFrame":
        """The frame in which the box `bounds` (2, 3), lowest and highest corner, fills the ball of radius `RADIUS`.

        Raises `InvalidInput` for a box that is too large to be drawn.
        """
        low, high = np.asarray(bounds, np.float64)
        ViewFrame().check("the scene", bounds)
        diagonal = float(np.linalg.norm(high - low))
        center = (low + high) / 2
        return ViewFrame((float(center[0]), float(center[1]), float(center[2])), 2 * RADIUS / (diagonal or 1.0))

    def check(self, name: str, bounds: NDArray[np.float64]) -> None:
        """Raise `InvalidInput` where a shape in the box `bounds` (2, 3) is too far away for float32, in which it is
        drawn."""
        box = np.asarray(bounds, np.float64)
        if not (np.abs([box, (box - self.center) * self.scale]) < _FARTHEST).all():
            raise InvalidInput(
                f"{name} reaches from {_corner(box[0])} to {_corner(box[1])}, farther than can be drawn; leave out "
                "what is so far away, or make the shape smaller"
            )

    def to_view(self, points: ArrayLike | Tensor) -> NDArray[np.float32]:
        """World points (..., 3) in view coordinates."""
        return ((as_array(points) - self.center) * self.scale).astype(np.float32)

    def to_world(self, points: ArrayLike) -> NDArray[np.float64]:
        """View points (..., 3) in the world."""
        return np.asarray(points, np.float64) / self.scale + self.center

    def pose_to_view(self, world_to_camera: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The quaternion (w, x, y, z) of camera-to-view, OpenCV axes, and the position of a (4, 4) pose."""
        pose = world_to_camera.double().cpu().numpy()
        rotation = pose[:3, :3].T
        return quaternion_from_matrix(torch.from_numpy(rotation)).numpy(), (
            -(rotation @ pose[:3, 3]) - self.center
        ) * self.scale

    def camera(
        self, wxyz: ArrayLike, position: ArrayLike, fov: float, width: int, height: int, name: str = "view"
    ) -> Cameras:
        """The browser's camera in the world. fov: vertical, in radians. width, height: of the picture, in pixels."""
        rotation = matrix_from_quaternion(torch.from_numpy(as_array(wxyz))).numpy()
        pose = np.eye(4)
        pose[:3, :3] = rotation.T
        pose[:3, 3] = -rotation.T @ self.to_world(position)
        focal = height / 2 / math.tan(fov / 2)
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float64)
        return Cameras(torch.from_numpy(pose)[None], K[None], ((width, height),), (name,))


def as_array(points: ArrayLike | Tensor) -> NDArray[np.float64]:
    """Tensors and arrays as float64 arrays."""
    if isinstance(points, Tensor):
        points = points.detach().cpu().numpy()
    return np.asarray(points, np.float64)


def _corner(place: NDArray[np.float64]) -> str:
    return f"({', '.join(f'{x:.3g}' for x in place)})"
