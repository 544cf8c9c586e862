"""What a product of functions on the sphere costs by each of its routes, forward and backward, and the fastest of them.

Forward and backward take eight transforms: three and three of the factors, two of the result, and three pointwise
products. The constants are nanoseconds of one thread in float32, fitted to products of degree 1 to 16 on one AVX-512
machine (docs/irreps.md); what matters is their proportion, and that the order of the routes comes out right.
"""

import math
from collections.abc import Callable

from geokit.equivariant.irreps.fourier_transform import fourier_size
from geokit.equivariant.irreps.quadrature import LARGEST_LEBEDEV, gauss_legendre, lebedev

MULTIPLY_ADD = 0.02  # in a matrix product
VALUE = 0.07  # to write or to read one in a pass over values on the grid
MOVE = 3.5  # to put one coefficient into another place
INNER_VALUE = 0.9  # of what the separable transform holds between its two sums
WAVE = 2.5  # in a fast Fourier transform, one value, times the logarithm of their number along a side


def route_costs(kind: str, degrees: tuple[int, int, int]) -> dict[str, float]:
    """Nanoseconds a row, forward and backward, by each route that the kind of product has; see `product_plan`."""
    total, coefficients = sum(degrees), _of_all(degrees, lambda degree: (degree + 1) ** 2)
    costs = {}
    if kind == "bracket" or total <= LARGEST_LEBEDEV:
        points = len(lebedev(total)[1]) * (2 if kind == "bracket" else 1)
        sums = points * coefficients
        costs["full"] = MULTIPLY_ADD * sums + VALUE * 11 * points
        costs["halved"] = MULTIPLY_ADD * sums / 2 + VALUE * 14 * points + MOVE * coefficients
    if kind == "bracket":
        return costs
    _, weights, longitudes = gauss_legendre(total)
    grid = len(weights) * longitudes
    legendre = _of_all(degrees, lambda degree: (2 * degree + 1) * (degree + 1))
    orders = _of_all(degrees, lambda degree: 2 * degree + 1)
    inner, sums = 2 * legendre + orders * len(weights), legendre * len(weights) + orders * grid
    costs["separable"] = MULTIPLY_ADD * sums + VALUE * 11 * grid + INNER_VALUE * inner
    size = fourier_size(degrees)
    costs["fourier"] = WAVE * 8 * size**2 * math.log2(size)
    return costs


def fastest_route(kind: str, degrees: tuple[int, int, int]) -> str:
    """The route that costs least."""
    costs = route_costs(kind, degrees)
    return min(costs, key=costs.__getitem__)


def _of_all(degrees: tuple[int, int, int], size: Callable[[int], int]) -> int:
    first, second, result = (size(degree) for degree in degrees)
    return 3 * (first + second) + 2 * result
