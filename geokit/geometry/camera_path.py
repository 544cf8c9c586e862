"""A smooth flight from camera to camera."""

import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.cameras import Cameras
from geokit.geometry.rotations import (
    axis_angle_from_quaternion,
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_axis_angle,
    quaternion_from_matrix,
    quaternion_product,
    slerp,
)

KEY = "key"  # how the names of the frames begin that are keyframes


def path_cameras(keys: Cameras, steps: int, loop: bool = False) -> Cameras:
    """The frames of a flight through `keys`, `steps` from each to the next, the keys themselves among them.

    loop: the flight ends where it began, and that frame is not repeated. Places lie on a Catmull-Rom spline, rotations
    on the spherical spline of Shoemake (squad, 1987), logarithms of focal lengths on a Catmull-Rom spline; principal
    points go straight. All pictures have the size of the first key's; others' focal lengths are scaled by the height.
    Names are key_NNNN and frame_NNNN. Raises `InvalidInput` without keys and for steps below 1.
    """
    if not len(keys) or steps < 1:
        raise InvalidInput(f"a path needs at least one key and one step between keys, got {len(keys)} and {steps}")
    keys = in_picture(keys, *keys.sizes[0])
    count = len(keys)
    legs = count if loop and count > 1 else count - 1
    quats = quaternion_from_matrix(keys.world_to_camera[:, :3, :3].mT)
    focal = torch.stack([keys.K[:, 0, 0], keys.K[:, 1, 1]], 1).log()
    part = torch.arange(steps, dtype=torch.float64)[:, None] / steps

    def key(values: Tensor, i: int) -> Tensor:
        return values[i % count] if loop else values[min(max(i, 0), count - 1)]

    centers, rotations, focals, middles, names = [], [], [], [], []
    for leg in range(legs):
        at = [leg - 1, leg, leg + 1, leg + 2]
        centers.append(_catmull_rom(*(key(keys.centers, i) for i in at), part))
        focals.append(_catmull_rom(*(key(focal, i) for i in at), part))
        first, last = key(keys.K[:, :2, 2], leg), key(keys.K[:, :2, 2], leg + 1)
        middles.append(first + part * (last - first))
        rotations.append(_squad(*(key(quats, i) for i in at), part[:, 0]))
        names += [KEY] + ["frame"] * (steps - 1)
    if not loop or count == 1:
        centers.append(keys.centers[-1:])
        focals.append(focal[-1:])
        middles.append(keys.K[-1:, :2, 2])
        rotations.append(quats[-1:])
        names.append(KEY)
    return _cameras(
        torch.cat(centers), torch.cat(rotations), torch.cat(focals).exp(), torch.cat(middles), keys.sizes[0], names
    )


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


def _catmull_rom(a: Tensor, b: Tensor, c: Tensor, d: Tensor, t: Tensor) -> Tensor:
    """(T, C) from b to c at parts t (T, 1), with the slopes that the neighbours a and d give."""
    start, end = (c - a) / 2, (d - b) / 2
    return (
        (2 * t**3 - 3 * t**2 + 1) * b + (t**3 - 2 * t**2 + t) * start + (3 * t**2 - 2 * t**3) * c + (t**3 - t**2) * end
    )


def _squad(a: Tensor, b: Tensor, c: Tensor, d: Tensor, t: Tensor) -> Tensor:
    """(T, 4) from b to c at parts t (T,)."""
    outer = slerp(b, c, t)
    inner = slerp(_between(a, b, c), _between(b, c, d), t)
    return slerp(outer, inner, 2 * t * (1 - t))


def _between(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The control quaternion at b, by which the way from a over b to c has no kink."""
    back = quaternion_conjugate(b)
    bend = axis_angle_from_quaternion(quaternion_product(back, a)) + axis_angle_from_quaternion(
        quaternion_product(back, c)
    )
    return quaternion_product(b, quaternion_from_axis_angle(-bend / 4))


def _cameras(
    centers: Tensor, quats: Tensor, focals: Tensor, middles: Tensor, size: tuple[int, int], kinds: list[str]
) -> Cameras:
    rotation = matrix_from_quaternion(quats).mT
    pose = torch.eye(4, dtype=torch.float64).repeat(len(centers), 1, 1)
    pose[:, :3, :3] = rotation
    pose[:, :3, 3] = -(rotation @ centers[:, :, None])[:, :, 0]
    K = torch.zeros(len(centers), 3, 3, dtype=torch.float64)
    K[:, 0, 0], K[:, 1, 1], K[:, :2, 2], K[:, 2, 2] = focals[:, 0], focals[:, 1], middles, 1
    names = tuple(f"{kind}_{i:04d}" for i, kind in enumerate(kinds))
    return Cameras(pose, K, (size,) * len(centers), names)
