"""The antisymmetric product that Gaunt products lack: the Poisson bracket of functions on the sphere.

    {f, g}(r) = r . (grad f x grad g)

is equivariant to rotations, changes its sign with the order of f and g, and has just the paths with l1 + l2 + l odd:
what a pointwise product cannot give, as it commutes ("The Price of Freedom", Xie et al., ICML 2025). Of degree 1 it is
the cross product. Under reflections it is a pseudo-function: degree l has parity (-1)^(l + 1). One can be computed on
the grid that is exact for the product, since it is a polynomial of degree l1 + l2 - 1.
"""

from torch import Tensor

from geokit.equivariant.irreps.sphere_product import sphere_product


def bracket_product(first: Tensor, second: Tensor, degree: int, route: str = "fastest") -> Tensor:
    """(..., (degree + 1)^2) the coefficients up to `degree` of the Poisson bracket {first, second}.

    first: (..., (L1 + 1)^2), second: (..., (L2 + 1)^2), their other dimensions broadcast; exact, whatever the degrees.
    Coefficients u and v of degree 1 alone give sqrt(3) u x v. Costs about twice a `gaunt_product`. route: "fastest",
    "full" or "halved", see `product_plan`. Raises `InvalidInput` as `gaunt_product` does.
    """
    return sphere_product(first, second, degree, "bracket", route)
