"""Triangulations of closed rims in space."""

import numpy as np


def fill_hole(ring: np.ndarray, joined: np.ndarray) -> tuple[np.ndarray | None, float]:
    """The triangulation (L - 2, 3) of least area of a closed polygon in space (L, 3), as numbers of its corners, and
    that area; None where there is none.

    Its faces run along the ring's direction. joined: (L, L) whether two corners share an edge already; such an edge is
    not used as a diagonal, where it would meet a third face. By dynamic programming, O(L^3) (Barequet and Sharir 1995).
    """
    count = len(ring)
    if count == 3:
        return np.array([[0, 1, 2]]), _area(ring[0], ring[1], ring[2])
    cost = np.full((count, count), np.inf)
    best = np.zeros((count, count), dtype=np.int64)
    every = np.arange(count - 1)
    cost[every, every + 1] = 0
    for width in range(2, count):
        for i in range(count - width):
            k = i + width
            if joined[i, k] and width < count - 1:
                continue
            middle = np.arange(i + 1, k)
            sides = np.cross(ring[middle] - ring[i], ring[k] - ring[i])
            sums = cost[i, middle] + cost[middle, k] + np.linalg.norm(sides, axis=1) / 2
            chosen = int(sums.argmin())
            cost[i, k], best[i, k] = sums[chosen], middle[chosen]
    if not np.isfinite(cost[0, count - 1]):
        return None, np.inf
    faces, open_spans = [], [(0, count - 1)]
    while open_spans:
        i, k = open_spans.pop()
        if k - i > 1:
            m = int(best[i, k])
            faces.append((i, m, k))
            open_spans += [(i, m), (m, k)]
    return np.array(faces, dtype=np.int64), float(cost[0, count - 1])


def _area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    return float(np.linalg.norm(np.cross(b - a, c - a)) / 2)
