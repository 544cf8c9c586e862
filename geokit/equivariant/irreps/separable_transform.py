"""Values on a product grid of heights and longitudes: Legendre functions order by order, then a Fourier sum.

The fast transform of many degrees: O(L^3) a function in place of the O(L^4) of one matrix over all points.
"""

import numpy as np
import torch
from torch import Tensor

from geokit.equivariant.irreps.harmonics import degrees_of, spherical_harmonics


class SeparableTransform:
    """Coefficients (N, (L + 1)^2) <-> values (longitudes, T N) on the grid heights (T,) x `longitudes`, equidistant.

    Y_l^m = legendre[m, height, l] * fourier[longitude, m]: the first sum is a batched matrix product over the 2 L + 1
    orders, the second is one matrix product. At the sizes of networks that beats a fast Fourier transform, whose
    saving begins at hundreds of longitudes. `weights` (T,) are multiplied in: with those of the quadrature, `adjoint`
    is the analysis of a function's values.
    """

    def __init__(
        self,
        degree: int,
        heights: np.ndarray,
        longitudes: int,
        weights: np.ndarray,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.points = len(heights) * longitudes
        orders = torch.arange(-degree, degree + 1)
        meridian = np.stack([np.zeros_like(heights), heights, np.sqrt(1 - heights**2)], axis=-1)
        on_meridian = spherical_harmonics(degree, torch.from_numpy(meridian)) * torch.from_numpy(weights)[:, None]
        l = torch.arange(degree + 1)
        inside = orders.abs()[:, None] <= l
        same = torch.where(inside, l * l + l + orders.abs()[:, None], 0)
        legendre = torch.where(inside[:, None], on_meridian[:, same].movedim(0, 1), 0.0)
        angles = torch.arange(longitudes, dtype=torch.float64)[:, None] * (2 * np.pi / longitudes)
        fourier = torch.where(orders < 0, (orders.abs() * angles).sin(), (orders * angles).cos())
        self.legendre, self.fourier = legendre.to(device, dtype), fourier.to(device, dtype)
        # Where each (m, l) lies among the coefficients, and back; those outside of the triangle meet zeros.
        self.source = torch.where(inside, l * l + l + orders[:, None], 0).flatten().to(device)
        degrees = degrees_of(degree)
        order = torch.arange((degree + 1) ** 2) - degrees * degrees - degrees
        self.place = ((order + degree) * (degree + 1) + degrees).to(device)

    def values(self, coefficients: Tensor) -> list[Tensor]:
        """One class, (longitudes, T N)."""
        orders, _, degrees = self.legendre.shape
        rows = coefficients.T.index_select(0, self.source).view(orders, degrees, -1)
        return [self.fourier @ (self.legendre @ rows).view(orders, -1)]

    def adjoint(self, values: list[Tensor], out: Tensor) -> None:
        """The transposed map of `values`, into out (N, (L + 1)^2)."""
        orders, heights, degrees = self.legendre.shape
        rows = self.legendre.mT @ (self.fourier.T @ values[0]).view(orders, heights, -1)
        out.copy_(rows.view(orders * degrees, -1).index_select(0, self.place).T)
