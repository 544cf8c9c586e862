"""The Gaunt tensor product: functions on the sphere, multiplied point by point.

Luo, Chen and Krishnapriyan, ICLR 2024. Coefficients are those of harmonics whose mean square is 1 ("component"), for
which the constant function 1 has the coefficients (1, 0, 0, ...) and leaves its partner as it is:

    z_lm = sum x_{l1 m1} y_{l2 m2} mean(Y_{l1 m1} Y_{l2 m2} Y_lm),

where the mean over the sphere is sqrt((2 l1 + 1) (2 l2 + 1) (2 l + 1)) times the 3j-symbols of (l1 l2 l; 0 0 0) and of
(l1 l2 l; m1 m2 m), so that only paths with l1 + l2 + l even are there. In the "integral" normalization of the paper
coefficients are sqrt(4 pi) times ours.
"""

import torch
from torch import Tensor

from geokit.equivariant.irreps.antisymmetric import bracket_product
from geokit.equivariant.irreps.harmonics import degrees_of
from geokit.equivariant.irreps.sphere_product import sphere_product


def gaunt_product(first: Tensor, second: Tensor, degree: int, route: str = "fastest") -> Tensor:
    """(..., (degree + 1)^2) the coefficients up to `degree` of the product of two functions on the sphere.

    first: (..., (L1 + 1)^2), second: (..., (L2 + 1)^2), float32 or float64, their other dimensions broadcast. Exact
    for every degree; L1 + L2 keeps all of the product. route: "fastest", or one of those of `product_plan`: they
    differ in rounding alone. Differentiable any number of times; nothing but the factors is saved for it. Raises
    `InvalidInput` for numbers of coefficients that are no squares, other dtypes, a negative degree and unknown routes.
    """
    return sphere_product(first, second, degree, "gaunt", route)


class GauntProduct(torch.nn.Module):
    """The Gaunt product of C channels, with a weight for each degree and channel of both factors and of the result.

    forward: first (..., C, (L1 + 1)^2), second (..., C, (L2 + 1)^2) -> (..., C, (degree + 1)^2). The weight of a path
    is w_l1 w_l2 w_l, the paper's parametrisation. With `antisymmetric`, the Poisson bracket of the weighted factors is
    added under weights of its own: rotations are kept, but reflections are not, under which the two have opposite
    parities; where they matter, use `gaunt_product` and `bracket_product` apart. At first the coefficients of normal
    factors have, over all degrees up to L1 + L2, mean square 1.
    """

    degrees1: Tensor
    degrees2: Tensor
    degrees: Tensor

    def __init__(
        self,
        channels: int,
        degree1: int,
        degree2: int,
        degree: int,
        antisymmetric: bool = False,
        route: str = "fastest",
    ) -> None:
        super().__init__()
        self.degree, self.route = degree, route
        self.weight1 = torch.nn.Parameter(torch.ones(channels, degree1 + 1))
        self.weight2 = torch.nn.Parameter(torch.ones(channels, degree2 + 1))
        count, sizes = degree1 + degree2 + 1, (degree1 + 1) * (degree2 + 1)
        self.weight = torch.nn.Parameter(torch.full((channels, degree + 1), count / sizes))
        self.bracket_weight: torch.nn.Parameter | None = None
        if antisymmetric:
            # The mean of the squares of a gradient along one tangent is half of that of l (l + 1).
            slope1, slope2 = (sum((2 * l + 1) * l * (l + 1) / 2 for l in range(d + 1)) for d in (degree1, degree2))
            scale = count / max(2 * slope1 * slope2, 1) ** 0.5
            self.bracket_weight = torch.nn.Parameter(torch.full((channels, degree + 1), scale))
        for name, of in (("degrees1", degree1), ("degrees2", degree2), ("degrees", degree)):
            self.register_buffer(name, degrees_of(of), persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The product, (..., C, (degree + 1)^2)."""
        first = first * self.weight1[:, self.degrees1]
        second = second * self.weight2[:, self.degrees2]
        result = gaunt_product(first, second, self.degree, self.route) * self.weight[:, self.degrees]
        if self.bracket_weight is None:
            return result
        route = self.route if self.route in ("full", "halved") else "fastest"
        return result + bracket_product(first, second, self.degree, route) * self.bracket_weight[:, self.degrees]
