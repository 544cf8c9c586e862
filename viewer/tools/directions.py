"""Directions, and the rotations between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.errors import InvalidInput
from geokit.geometry.rotations import matrix_from_axis_angle

AXES = ("+x", "-x", "+y", "-y", "+z", "-z")


def up_of_ground(points: NDArray[np.float64], eye: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) the unit normal of the plane through points (3, 3), on the side of the eye (3,).

    Raises `InvalidInput` where they lie on one line.
    """
    a, b = points[1] - points[0], points[2] - points[0]
    normal = np.cross(a, b)
    if np.linalg.norm(normal) <= 1e-4 * np.linalg.norm(a) * np.linalg.norm(b):
        raise InvalidInput("the three places lie on one line, many planes go through them; click three others")
    return unit(normal if normal @ (eye - points[0]) >= 0 else -normal)


def rotation_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) the smallest rotation that takes the unit vector a to b; of opposite ones, half a turn."""
    axis, cosine = np.cross(a, b), float(a @ b)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        axis = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
    angle = np.arctan2(sine, cosine)
    return matrix_from_axis_angle(torch.from_numpy(unit(axis) * angle)).numpy()


def rigid(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, 4) the rotation (3, 3) about the origin."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    return matrix


def axis_vector(name: str) -> NDArray[np.float64]:
    """(3,) of one of `AXES`."""
    return (1.0 if name[0] == "+" else -1.0) * np.eye(3)["xyz".index(name[1])]


def axis_name(vector: Sequence[float] | NDArray[np.float64]) -> str:
    """One of `AXES`, or the numbers of a tilted direction."""
    for name in AXES:
        if float(axis_vector(name) @ np.asarray(vector)) > 1 - 1e-9:
            return name
    return "(" + ", ".join(f"{x:.3f}" for x in vector) + ")"


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector with length one."""
    return np.asarray(vector, np.float64) / np.linalg.norm(vector)
