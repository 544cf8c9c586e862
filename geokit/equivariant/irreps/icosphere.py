"""Icosahedral grids of the sphere: twelve vertices, refined by the midpoints of edges."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from geokit.equivariant.position_orientation.polyhedra import vertices
from geokit.errors import InvalidInput

LARGEST_LEVEL = 8


@dataclass(frozen=True)
class Icosphere:
    """V = 10 * 4^level + 2 unit vectors: those of a coarser level are the first of each finer one.

    points (V, 3); areas (V,), the share of the sphere around each, sum 1; neighbors (V, 6) int64, of the twelve
    vertices with five their own number in the last column.
    """

    points: Tensor
    areas: Tensor
    neighbors: Tensor


def icosphere(level: int) -> Icosphere:
    """The grid after `level` refinements, float64. Raises `InvalidInput` for levels outside of 0 to 8."""
    if not 0 <= level <= LARGEST_LEVEL:
        raise InvalidInput(f"level must be 0 to {LARGEST_LEVEL}, got {level}")
    points = vertices("icosahedral").numpy()
    faces = ConvexHull(points).simplices.astype(np.int64)
    for _ in range(level):
        points, faces = _refined(points, faces)
    areas = np.bincount(faces.ravel(), np.repeat(_solid_angles(points[faces]) / 3, 3), len(points)) / (4 * np.pi)
    return Icosphere(*map(torch.from_numpy, (points, areas, _neighbors(faces, len(points)))))


def _refined(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each triangle in four, by the midpoints of its edges."""
    edges, number = np.unique(np.sort(_edges(faces), axis=1), axis=0, return_inverse=True)
    middles = points[edges].sum(1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = len(points) + number.reshape(3, -1)
    a, b, c = faces.T
    corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.concatenate([points, middles]), np.concatenate([np.stack(face, axis=1) for face in corners])


def _edges(faces: np.ndarray) -> np.ndarray:
    """(3 F, 2): first all edges from corner 0 to 1, then from 1 to 2, then from 2 to 0."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _neighbors(faces: np.ndarray, count: int) -> np.ndarray:
    pairs = _edges(faces)
    pairs = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    first = np.searchsorted(pairs[:, 0], np.arange(count))
    table = np.repeat(np.arange(count)[:, None], 6, axis=1)
    table[pairs[:, 0], np.arange(len(pairs)) - first[pairs[:, 0]]] = pairs[:, 1]
    return table


def _solid_angles(triangles: np.ndarray) -> np.ndarray:
    """(F,) of spherical triangles (F, 3, 3), by the formula of van Oosterom and Strackee."""
    a, b, c = triangles.transpose(1, 0, 2)
    volume = np.abs(np.einsum("fi,fi->f", a, np.cross(b, c)))
    return 2 * np.arctan2(volume, 1 + (a * b).sum(1) + (b * c).sum(1) + (c * a).sum(1))
