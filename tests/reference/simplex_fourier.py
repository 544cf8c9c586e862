"""Fourier transforms of simplices by quadrature, one simplex and one frequency after the other."""

from itertools import product
from math import factorial, prod

import numpy as np


def transform(corners: np.ndarray, frequency: np.ndarray, nodes: int = 24) -> complex:
    """The integral of exp(-i k.x) over the simplex with corners (j + 1, d): Gauss' rule on a cube folded onto it.

    l_1 = u_1, l_2 = (1 - u_1) u_2, ..: the map from the cube has the determinant prod (1 - u_a)^(j - a).
    """
    j = len(corners) - 1
    places, weights = np.polynomial.legendre.leggauss(nodes)
    places, weights = (places + 1) / 2, weights / 2
    total = 0j
    for indices in product(range(nodes), repeat=j):
        left, point, weight = 1.0, corners[0].copy(), 1.0
        for a, i in enumerate(indices, start=1):
            point += left * places[i] * (corners[a] - corners[0])
            left *= 1 - places[i]
            weight *= weights[i] * (1 - places[i]) ** (j - a)
        total += weight * np.exp(-1j * frequency @ point)
    return factorial(j) * content(corners) * total


def content(corners: np.ndarray) -> float:
    """Length, area or volume, by Gram's determinant."""
    edges = corners[1:] - corners[0]
    return float(np.sqrt(max(np.linalg.det(edges @ edges.T), 0.0))) / factorial(len(edges)) if len(edges) else 1.0


def grid(sizes: list[int], period: list[float]) -> np.ndarray:
    """(N1, .., Nd // 2 + 1, d) frequencies of `numpy.fft.rfftn`, radians per unit of length."""
    axes = [2 * np.pi * np.fft.fftfreq(n, p / n) for n, p in zip(sizes[:-1], period)]
    axes.append(2 * np.pi * np.fft.rfftfreq(sizes[-1], period[-1] / sizes[-1]))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def spectrum(
    vertices: np.ndarray, simplices: np.ndarray, densities: np.ndarray, frequencies: np.ndarray, nodes: int = 24
) -> np.ndarray:
    """The transform of all simplices at frequencies (.., d)."""
    found = [
        sum(density * transform(vertices[simplex], k, nodes) for simplex, density in zip(simplices, densities))
        for k in frequencies.reshape(-1, frequencies.shape[-1])
    ]
    return np.array(found).reshape(frequencies.shape[:-1])


def box(low: np.ndarray, high: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """The transform of the box from low to high at frequencies (.., d), a product of one factor an axis."""
    middle, half = (low + high) / 2, (high - low) / 2
    factors = [2 * half[a] * np.sinc(frequencies[..., a] * half[a] / np.pi) for a in range(len(low))]
    return prod(factors) * np.exp(-1j * frequencies @ middle)
