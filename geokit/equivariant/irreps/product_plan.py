"""The three transforms that a product of functions on the sphere goes through, by any of its routes."""

from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from geokit.equivariant.irreps.fourier_transform import FourierTransform, analysis, fourier_size, synthesis
from geokit.equivariant.irreps.harmonics import spherical_harmonics
from geokit.equivariant.irreps.matrix_transform import MatrixTransform
from geokit.equivariant.irreps.product_cost import fastest_route
from geokit.equivariant.irreps.quadrature import gauss_legendre, lebedev
from geokit.equivariant.irreps.separable_transform import SeparableTransform

ROUTES = {"gaunt": ("fastest", "full", "halved", "separable", "fourier"), "bracket": ("fastest", "full", "halved")}


class Transform(Protocol):
    """A linear map from coefficients (N, K) to `points` values, in one class or in an even and an odd one."""

    points: int

    def values(self, coefficients: Tensor) -> list[Tensor]:
        """For each class the values of all rows."""

    def adjoint(self, values: list[Tensor], out: Tensor) -> None:
        """The transposed map, into out (N, K)."""


Plan = tuple[Transform, Transform, Transform]


@lru_cache(maxsize=256)
def product_plan(
    kind: str, route: str, degrees: tuple[int, int, int], dtype: torch.dtype, device: torch.device
) -> Plan:
    """Transforms A, B, C with product = C.adjoint(A.values(first) * B.values(second)), of the degrees given.

    kind: "gaunt", the product of the two functions, or "bracket", their Poisson bracket. route: "full" or "halved", a
    matrix over a Lebedev grid or over half of it; and for the product "separable", on a Gauss-Legendre grid, and
    "fourier", on the torus; "fastest" is what `product_cost` makes of them. All grids are exact for the sum of the
    degrees.
    """
    if route == "fastest":
        return product_plan(kind, fastest_route(kind, degrees), degrees, dtype, device)
    if route == "fourier":
        return _fourier_plan(degrees, dtype, device)
    if route == "separable":
        return _separable_plan(degrees, dtype, device)
    return _matrix_plan(kind, route == "halved", degrees, dtype, device)


def _matrix_plan(
    kind: str, halved: bool, degrees: tuple[int, int, int], dtype: torch.dtype, device: torch.device
) -> Plan:
    points, weights = lebedev(sum(degrees))
    if halved:
        points, weights = points[: len(points) // 2], 2 * weights[: len(points) // 2]
    first, second, tested = (_harmonics(degree, points) for degree in degrees)
    if kind == "bracket":
        # (df/da)(dg/db) - (df/db)(dg/da) along two tangents a and b, as one product of what stands side by side.
        # Derivatives of an even function on the half sphere stand for an odd one: the result has the other parity.
        a, b = _tangents(points)
        along = [[_derivatives(degree, points, tangent) for tangent in (a, b)] for degree in degrees[:2]]
        first, second = np.hstack(along[0]), np.hstack([along[1][1], -along[1][0]])
        tested, weights = np.hstack([tested, tested]), np.tile(weights, 2)
    return (
        MatrixTransform(first, halved, dtype, device),
        MatrixTransform(second, halved, dtype, device),
        MatrixTransform(tested * weights, halved, dtype, device, shift=int(kind == "bracket")),
    )


def _separable_plan(degrees: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> Plan:
    heights, weights, longitudes = gauss_legendre(sum(degrees))
    ones = np.ones_like(weights)
    first, second, tested = (
        SeparableTransform(degree, heights, longitudes, factors, dtype, device)
        for degree, factors in zip(degrees, (ones, ones, weights / longitudes))
    )
    return first, second, tested


def _fourier_plan(degrees: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> Plan:
    size = fourier_size(degrees)
    tables = synthesis(degrees[0], size), synthesis(degrees[1], size), analysis(degrees[2], size)
    first, second, tested = (FourierTransform(table, dtype, device) for table in tables)
    return first, second, tested


def _harmonics(degree: int, points: np.ndarray) -> np.ndarray:
    """(K, G)."""
    return spherical_harmonics(degree, torch.from_numpy(points)).numpy().T


def _derivatives(degree: int, points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(K, G) of the harmonics along a unit direction (G, 3) tangent to the sphere at each point.

    Along a great circle they are trigonometric polynomials of degree L, whose derivative is a sum of 2 L + 2 values;
    no automatic differentiation, which must not be begun inside of an operator.
    """
    count = 2 * degree + 2
    angles = (2 * np.arange(count) + 1) * np.pi / count
    waves = np.arange(1, degree + 1)
    weights = 2 / count * (waves * np.sin(angles[:, None] * waves)).sum(1)
    along = (_harmonics(degree, points * np.cos(a) + directions * np.sin(a)) for a in angles)
    return np.sum([weight * values for weight, values in zip(weights, along)], axis=0)


def _tangents(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a and b (G, 3) of length one that form a right-handed frame (a, b, point)."""
    axis = np.eye(3)[np.abs(points).argmin(axis=1)]
    b = np.cross(points, axis)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    return np.cross(b, points), b
