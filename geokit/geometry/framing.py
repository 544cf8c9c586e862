"""A camera that shows the whole of a shape."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras, look_at
from geokit.geometry.mesh import Mesh
from geokit.geometry.point_cloud import PointCloud


def frame_camera(
    shape: Mesh | PointCloud | Tensor,
    direction: Sequence[float] = (0.5, 0.35, 1.0),
    up: Sequence[float] = (0.0, 1.0, 0.0),
    width: int = 640,
    height: int = 480,
    *,
    field_of_view: float = math.radians(30),
    margin: float = 0.06,
) -> Cameras:
    """One camera from which a shape, or points (N, 3), fill the picture as far as they can.

    direction: from the shape to the camera, in the world's axes, of any length. up: upwards in the world, not parallel
    to `direction`. width, height: of the picture in pixels. field_of_view: of the picture's larger side, in radians.
    margin: the share of each side that stays empty at either end.

    The nearest place from which all points are inside, in closed form: a point (x, y, z) of the turned frame is inside
    the planes of slope t where |x - center| <= t (z + distance), which bounds both center and distance linearly.
    Raises `InvalidInput` for a shape without points or with points that are not finite, and options out of range.
    """
    points = shape if isinstance(shape, Tensor) else shape.vertices if isinstance(shape, Mesh) else shape.points
    check_tensor("points", points, ("N", 3), FLOATS, finite=True)
    if not len(points):
        raise InvalidInput("frame_camera: the shape has no points to look at")
    if min(width, height) < 1 or not 0 < field_of_view < math.pi or not 0 <= margin < 0.5:
        raise InvalidInput(
            "frame_camera: width and height must be at least 1, field_of_view between 0 and pi, margin between 0 and "
            f"0.5; got {width} x {height}, {field_of_view} and {margin}"
        )
    focal = max(width, height) / 2 / math.tan(field_of_view / 2)
    eye = torch.tensor(tuple(direction), dtype=torch.float64)
    pose = look_at(eye[None], torch.zeros(3, dtype=torch.float64), torch.tensor(tuple(up), dtype=torch.float64))[0]
    turned = points.detach().to("cpu", torch.float64) @ pose[:3, :3].T
    center, distance = [], -math.inf
    for axis, pixels in enumerate((width, height)):
        slope = pixels * (0.5 - margin) / focal
        high = float((turned[:, axis] - slope * turned[:, 2]).max())
        low = float((-turned[:, axis] - slope * turned[:, 2]).max())
        center.append((high - low) / 2)
        distance = max(distance, (high + low) / (2 * slope))
    # A single point, or points along the axis, would touch the camera.
    nearest = float(turned[:, 2].min())
    distance = max(distance, -nearest + 1e-3 * max(float((turned.amax(0) - turned.amin(0)).norm()), 1e-3))
    pose[:3, 3] = torch.tensor([-center[0], -center[1], distance], dtype=torch.float64)
    K = torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]], dtype=torch.float64)
    return Cameras(pose[None], K, ((width, height),)).to(points.device)
