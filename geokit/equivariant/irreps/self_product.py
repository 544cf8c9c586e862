"""Products of a function with itself, of all orders up to nu at once: the many-body features of atomic environments.

What MACE (Batatia et al., NeurIPS 2022) builds by repeated tensor products, and Luo et al. (ICLR 2024, section 3.3) by
powers on a grid: the values are computed once, and every further order is one more pointwise product.
"""

import torch
from torch import Tensor

from geokit.equivariant.irreps.harmonics import degrees_of, spherical_harmonics
from geokit.equivariant.irreps.layout import degree_of_size
from geokit.equivariant.irreps.quadrature import lebedev
from geokit.errors import InvalidInput


class SelfProduct(torch.nn.Module):
    """sum over nu = 1, ..., order of weight * coefficients up to `result` of f^nu; weights by nu, degree and channel.

    forward: (..., C, (degree + 1)^2) -> (..., C, (result + 1)^2), in the "component" normalization of `gaunt_product`.
    Exact, and so equivariant to rotations and reflections, on a Lebedev grid for degree * order + result. At first all
    weights are 1 / order. Raises `InvalidInput` for an order below 1 and coefficients of another degree.
    """

    weight: Tensor
    values: Tensor
    analysis: Tensor
    degrees: Tensor

    def __init__(self, channels: int, degree: int, result: int, order: int) -> None:
        super().__init__()
        if order < 1:
            raise InvalidInput(f"order must be 1 or more, got {order}")
        self.degree = degree
        self.weight = torch.nn.Parameter(torch.full((order, channels, result + 1), 1 / order))
        points, weights = (torch.from_numpy(array) for array in lebedev(degree * order + result))
        # Constants are kept in float64 and rounded when used, so that a network moved to float64 is exact there.
        self.register_buffer("values", spherical_harmonics(degree, points).T.contiguous(), persistent=False)
        self.register_buffer("analysis", weights[:, None] * spherical_harmonics(result, points), persistent=False)
        self.register_buffer("degrees", degrees_of(result), persistent=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        """The weighted sum of the powers, (..., C, (result + 1)^2)."""
        if degree_of_size("coefficients", coefficients) != self.degree:
            raise InvalidInput(f"coefficients must be of degree {self.degree}, got shape {tuple(coefficients.shape)}")
        values, analysis = coefficients @ self.values.to(coefficients), self.analysis.to(coefficients)
        weights = self.weight[..., self.degrees]
        power, result = values, (values @ analysis) * weights[0]
        for weight in weights[1:]:
            power = power * values
            result = result + (power @ analysis) * weight
        return result
