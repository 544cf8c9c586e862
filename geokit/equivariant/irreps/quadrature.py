"""Points and weights on the sphere that give the mean of every polynomial up to a degree exactly."""

import numpy as np
from scipy.integrate import lebedev_rule
from scipy.special import roots_legendre

from geokit.errors import InvalidInput

LARGEST_LEBEDEV = 131


def lebedev(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (G, 3) and weights (G,), which sum to 1, of the smallest Lebedev rule that is exact up to `degree`.

    About (degree + 1)^2 / 3 points, two thirds of a product grid's. They come as opposite pairs: point g + G / 2 is
    the opposite of point g. A few of the rules have a negative weight. Raises `InvalidInput` above degree 131.
    """
    if not 0 <= degree <= LARGEST_LEBEDEV:
        raise InvalidInput(f"Lebedev rules are known for degrees 0 to {LARGEST_LEBEDEV}, got {degree}")
    for order in range(max(3, degree + 1 - degree % 2), LARGEST_LEBEDEV + 1, 2):
        try:
            points, weights = lebedev_rule(order)
        except NotImplementedError:  # of some degrees there is no rule
            continue
        break
    first = np.flatnonzero(_first_of_pair(points.T))
    half = points.T[first]
    return np.concatenate([half, -half]), np.tile(weights[first], 2) / (4 * np.pi)


def gauss_legendre(degree: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Heights (T,) and weights (T,), which sum to 1, and the number of longitudes of the smallest exact product grid.

    Gauss-Legendre nodes along the polar axis times equidistant longitudes: T = floor(degree / 2) + 1, and degree + 1.
    """
    nodes, weights = roots_legendre(degree // 2 + 1)
    return nodes, weights / 2, degree + 1


def _first_of_pair(points: np.ndarray) -> np.ndarray:
    """Which of v and -v: the one whose last non-zero coordinate is positive."""
    x, y, z = np.where(np.abs(points) < 1e-9, 0.0, points).T
    return (z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))
