"""Products of a function with itself, of all orders up to nu: the many-body features of atomic environments.

What MACE (Batatia et al., NeurIPS 2022) builds by tensor products of all paths, as powers of a function (Luo et al.,
ICLR 2024, section 3.3).
"""

import torch
from torch import Tensor

from geokit.equivariant.irreps.gaunt import gaunt_product
from geokit.equivariant.irreps.harmonics import degrees_of
from geokit.equivariant.irreps.layout import degree_of_size
from geokit.errors import InvalidInput


class SelfProduct(torch.nn.Module):
    """sum over nu = 1, ..., order of weight * coefficients up to `result` of f^nu; weights by nu, degree and channel.

    forward: (..., C, (degree + 1)^2) -> (..., C, (result + 1)^2), in the "component" normalization of `gaunt_product`.
    Exact, and so equivariant to rotations and reflections: between, every degree is kept that a later power brings down
    to `result`. At first all weights are 1 / order. Raises `InvalidInput` for an order below 1 and coefficients of
    another degree.
    """

    degrees: Tensor

    def __init__(self, channels: int, degree: int, result: int, order: int) -> None:
        super().__init__()
        if order < 1:
            raise InvalidInput(f"order must be 1 or more, got {order}")
        self.degree, self.result, self.order = degree, result, order
        self.weight = torch.nn.Parameter(torch.full((order, channels, result + 1), 1 / order))
        self.register_buffer("degrees", degrees_of(result), persistent=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        """The weighted sum of the powers, (..., C, (result + 1)^2)."""
        if degree_of_size("coefficients", coefficients) != self.degree:
            raise InvalidInput(f"coefficients must be of degree {self.degree}, got shape {tuple(coefficients.shape)}")
        size, weights = (self.result + 1) ** 2, self.weight[..., self.degrees]
        power, total = coefficients, _resized(coefficients, size) * weights[0]
        for order in range(2, self.order + 1):
            power = gaunt_product(power, coefficients, self.degree_needed(order))
            total = total + _resized(power, size) * weights[order - 1]
        return total

    def degree_needed(self, order: int) -> int:
        """Up to which f^order counts: what it has, of what the powers to come and the result can reach."""
        return min(order * self.degree, self.result + (self.order - order) * self.degree)


def _resized(coefficients: Tensor, size: int) -> Tensor:
    """(..., size): zeros in the degrees that are not there, without those beyond."""
    missing = max(size - coefficients.shape[-1], 0)
    return torch.nn.functional.pad(coefficients, (0, missing))[..., :size]
