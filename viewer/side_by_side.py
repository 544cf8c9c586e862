"""Two shapes beside each other: where the second is put, and how it is turned and scaled to be compared."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from geokit.geometry import Mesh
from geokit.geometry.alignment import kabsch
from geokit.spectral.match_shape import vertex_areas

from .home import view_direction

Array = NDArray[np.float64]

_ALIKE = math.radians(30), 1.5  # an angle and a ratio of sizes that do not hinder comparing
_UPRIGHT = math.radians(60)  # so far off its own up direction a shape may lie to be stood up in its own way


def turn_alike(first: Mesh, second: Mesh, images: Array, up1: Array, up2: Array) -> Array:
    """(3, 3) turns and scales the second mesh as the first stands, given the places images (N2, 3) on the first that
    its vertices go to: areas become equal, the rotation is the best one by areas (Kabsch).

    A shape that nearly stands upright then, by its own up2 (3,) and the other's up1 (3,), stands exactly so. Nothing is
    turned where one has no area.
    """
    areas, size = vertex_areas(second), float(vertex_areas(first).sum())
    if not (size > 0 and float(areas.sum()) > 0):
        return np.eye(3)
    rotation = kabsch(second.vertices.detach().double(), torch.from_numpy(images), areas)[0].numpy()
    if float((rotation @ up2) @ up1) > math.cos(_UPRIGHT):
        rotation = _shortest_turn(rotation @ up2, up1) @ rotation
    return rotation * math.sqrt(size / float(areas.sum()))


def differs(turn: Array) -> bool:
    """Does `turn` (3, 3) change so much that shapes are hard to compare without it?"""
    scale = float(np.linalg.det(turn)) ** (1 / 3)
    cosine = (np.trace(turn) / scale - 1) / 2
    return bool(math.acos(min(max(cosine, -1), 1)) > _ALIKE[0] or max(scale, 1 / scale) > _ALIKE[1])


def _shortest_turn(start: Array, end: Array) -> Array:
    """(3, 3) the rotation about the normal of two unit vectors, less than a half turn apart, that takes one to the
    other."""
    x, y, z = np.cross(start, end)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + float(start @ end))


def rightwards(up: Array) -> Array:
    """(3,) unit, to the right of who looks at a scene with this `up` (3,) at first."""
    right = np.cross(up, np.asarray(view_direction(up)))
    return right / np.linalg.norm(right)


def offset_beside(first: Array, second: Array, up: Array, right: Array, apart: float) -> Array:
    """(3,) moves places second (N2, 3) from first (N1, 3) to the right, on one ground.

    up, right: (3,) perpendicular, right of length one. apart: between the middles, in units of the distance at which
    they would touch; at 0 one stands in the other.
    """
    up = up / np.linalg.norm(up)
    axes = np.stack([right, up, np.cross(right, up)])
    low1, high1, low2, high2 = (f(points @ axes.T, 0) for points in (first, second) for f in (np.min, np.max))
    move = (low1 + high1 - low2 - high2) / 2
    move[0] += apart * (high1 - low1 + high2 - low2)[0] / 2
    move[1] = low1[1] - low2[1]
    return move @ axes
