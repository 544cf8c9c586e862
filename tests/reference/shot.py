"""SHOT descriptors, point by point and neighbour by neighbour (Tombari, Salti and Di Stefano 2010)."""

import math

import numpy as np
from numpy.typing import NDArray

SIZES = (8, 2, 2, 11)


def shot(points: NDArray, normals: NDArray, radius: float) -> NDArray:
    """(N, 352) of points (N, 3) with unit normals (N, 3)."""
    rows = []
    for point in points:
        away = np.linalg.norm(points - point, axis=1)
        near = np.flatnonzero((away <= radius) & (away > 0))
        steps = points[near] - point
        covariance = sum((radius - away[j]) * np.outer(d, d) for j, d in zip(near, steps))
        vectors = np.linalg.eigh(covariance)[1]
        x, z = vectors[:, 2], vectors[:, 0]
        x = x if side(steps @ x, radius - away[near]) >= 0 else -x
        z = z if side(steps @ z, radius - away[near]) >= 0 else -z
        y = np.cross(z, x)
        histogram = np.zeros(SIZES)
        for j, step in zip(near, steps):
            a, b, c = step @ x, step @ y, step @ z
            azimuth = math.atan2(b, a) / (2 * math.pi) * 8
            elevation = (math.asin(np.clip(c / away[j], -1, 1)) / math.pi + 0.5) * 2
            shell = away[j] / radius * 2
            cosine = (np.clip(normals[j] @ z, -1, 1) + 1) / 2 * 11
            for first, u in shares(azimuth, 8, ring=True):
                for second, v in shares(elevation, 2):
                    for third, w in shares(shell, 2):
                        for fourth, t in shares(cosine, 11):
                            histogram[first, second, third, fourth] += u * v * w * t
        rows.append(histogram.reshape(-1) / np.linalg.norm(histogram))
    return np.stack(rows)


def side(along: NDArray, nearness: NDArray) -> float:
    """Positive where more neighbours lie ahead than behind; on a tie, where they reach farther."""
    more = float(np.sign(along).sum())
    return more if more != 0 else float((nearness * along).sum())


def shares(value: float, size: int, ring: bool = False) -> list[tuple[int, float]]:
    """The two nearest bins, centred at halves, and what each receives."""
    low = math.floor(value - 0.5)
    part = value - 0.5 - low
    found = []
    for number, share in ((low, 1 - part), (low + 1, part)):
        found.append((number % size if ring else min(max(number, 0), size - 1), share))
    return found
