"""A smooth flight from camera to camera."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras
from geokit.geometry.rotations import (
    axis_angle_from_quaternion,
    left_jacobian,
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_axis_angle,
    quaternion_from_matrix,
    quaternion_product,
)

KEY = "key"  # how the names of the frames begin that are keyframes


def path_cameras(keys: Cameras, steps: int, loop: bool = False) -> Cameras:
    """The frames of a flight through `keys`, `steps` from each to the next, the keys themselves among them.

    loop: the flight ends where it began, and that frame is not repeated. Places, logarithms of focal lengths and
    principal points lie on Catmull-Rom splines, rotations on their like: cubic from key to key in the tangent space of
    the first, turning at the keys as fast as on the way to both neighbours. All pictures have the size of the first
    key's; others' are brought to it by `in_picture`. Names are key_NNNN and frame_NNNN. Raises `InvalidInput` without
    keys and for steps below 1.
    """
    if not len(keys) or steps < 1:
        raise InvalidInput(f"a path needs at least one key and one step between keys, got {len(keys)} and {steps}")
    keys = in_picture(keys, *keys.sizes[0])
    count, loop = len(keys), loop and len(keys) > 1
    quats = quaternion_from_matrix(keys.world_to_camera[:, :3, :3].mT)
    values = torch.cat([keys.centers, keys.K[:, [0, 1], [0, 1]].log(), keys.K[:, :2, 2]], 1)
    part = torch.arange(steps, dtype=torch.float64, device=values.device)[:, None] / steps
    places, rotations = [], []
    for leg in range(count if loop else count - 1):
        around = [i % count if loop else min(max(i, 0), count - 1) for i in range(leg - 1, leg + 3)]
        places.append(_catmull_rom(values[around], part))
        rotations.append(_turned(quats[around], part))
    if not loop:
        places.append(values[-1:])
        rotations.append(quats[-1:])
    return _cameras(torch.cat(places), torch.cat(rotations), keys.sizes[0], steps)


def keys_of(cameras: Cameras) -> Cameras:
    """The keys among the frames of a path by `path_cameras`; all cameras where none is named so."""
    named = [i for i, name in enumerate(cameras.names) if name.startswith(f"{KEY}_")]
    return cameras[named] if named else cameras


def in_picture(cameras: Cameras, width: int, height: int) -> Cameras:
    """The same cameras for pictures of one size in pixels; what is seen from top to bottom stays the same."""
    K = cameras.K.clone()
    for i, (w, h) in enumerate(cameras.sizes):
        K[i, :2] *= height / h
        K[i, 0, 2] += (width - w * height / h) / 2
    return Cameras(cameras.world_to_camera, K, ((width, height),) * len(cameras), cameras.names)


def _catmull_rom(values: Tensor, t: Tensor) -> Tensor:
    """(T, C) from the second of four rows (4, C) to the third at parts t (T, 1), with slopes by the outer ones."""
    a, b, c, d = values.unbind(0)
    start, end = (c - a) / 2, (d - b) / 2
    return (
        (2 * t**3 - 3 * t**2 + 1) * b + (t**3 - 2 * t**2 + t) * start + (3 * t**2 - 2 * t**3) * c + (t**3 - t**2) * end
    )


def _turned(quats: Tensor, t: Tensor) -> Tensor:
    """(T, 4) from the second of four quaternions (4, 4) to the third at parts t (T, 1), turning at the ends as fast as
    the outer ones say."""
    a, b, c, d = quats.unbind(0)
    whole = _from(b, c)
    start, end = (whole - _from(b, a)) / 2, (_from(c, d) - _from(c, b)) / 2
    # The speed of b exp(h) is not that of h: the right Jacobian lies between them.
    end = torch.linalg.solve(left_jacobian(-whole), end)
    way = (t**3 - 2 * t**2 + t) * start + (3 * t**2 - 2 * t**3) * whole + (t**3 - t**2) * end
    return quaternion_product(b.expand(len(t), 4), quaternion_from_axis_angle(way))


def _from(a: Tensor, b: Tensor) -> Tensor:
    """(3,) the turn, axis times angle in the axes of a, that takes a to b the shorter way."""
    return axis_angle_from_quaternion(quaternion_product(quaternion_conjugate(a), b))


def _cameras(values: Tensor, quats: Tensor, size: tuple[int, int], steps: int) -> Cameras:
    """From rows of place (3), logarithms of focal lengths (2) and principal point (2), and rotations (T, 4)."""
    count, rotation = len(values), matrix_from_quaternion(quats).mT
    pose = torch.eye(4).to(values).repeat(count, 1, 1)
    pose[:, :3, :3] = rotation
    pose[:, :3, 3] = -(rotation @ values[:, :3, None])[:, :, 0]
    K = torch.eye(3).to(values).repeat(count, 1, 1)
    K[:, 0, 0], K[:, 1, 1] = values[:, 3].exp(), values[:, 4].exp()
    K[:, :2, 2] = values[:, 5:]
    names = tuple(f"{'frame' if i % steps else KEY}_{i:04d}" for i in range(count))
    return Cameras(pose, K, (size,) * count, names)
