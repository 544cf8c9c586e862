"""A sum of anisotropic Gaussians of compact support, linear in what they are weighted by."""

from typing import Any

import torch
from torch import Tensor, nn

from geokit.backend.checks import check_tensor
from geokit.backend.radial_ops import radial_sum
from geokit.backend.radial_pairs import radial_pairs
from geokit.errors import InvalidInput
from geokit.fields.field import Field
from geokit.fields.gaussian_jets import SUPPORT, gaussian_jets


class GaussianField(Field):
    """The field sum_i f_i phi(|A_i (x - c_i)|) of `count` Gaussians, one channel, in one, two or three dimensions.

    `shapes` (M, d + d (d + 1) / 2) holds the centre and the lower triangle of A, by rows, of every Gaussian: A^T A is
    its inverse covariance. `features` (M,). It ends at 7 standard deviations, so
    that a value is the sum of a few kernels: value, gradient and Laplacian are those of the native sum of kernels.
    """

    def __init__(self, bounds: Tensor | list[list[float]], count: int, precision: str = "float64") -> None:
        """bounds (2, d): the box. precision: float32 or float64.

        Raises `InvalidInput` for other dimensions than 1, 2 and 3, other precisions, and for no Gaussian.
        """
        if precision not in ("float32", "float64"):
            raise InvalidInput(f"precision must be float32 or float64, got {precision!r}")
        dtype = torch.float32 if precision == "float32" else torch.float64
        super().__init__(torch.as_tensor(bounds, dtype=dtype), 1)
        if self.dimension > 3:
            raise InvalidInput(f"Gaussians have 1, 2 or 3 dimensions, got bounds of {self.dimension}")
        if count < 1:
            raise InvalidInput(f"a field of Gaussians needs at least one Gaussian, got a budget of {count}")
        d = self.dimension
        centre = self.bounds.mean(0)
        factor = torch.eye(d, dtype=dtype)[tuple(torch.tril_indices(d, d))].to(centre)
        self.shapes = nn.Parameter(torch.cat([centre, factor]).repeat(count, 1))
        self.features = nn.Parameter(centre.new_zeros(count))

    @classmethod
    def of(cls, bounds: Tensor, shapes: Tensor, features: Tensor) -> "GaussianField":
        """The field of these shapes and features (M,). Raises `InvalidInput` for other shapes and dtypes."""
        field = cls(bounds, len(shapes), str(bounds.dtype).removeprefix("torch."))
        check_tensor("shapes", shapes, field.shapes.shape, bounds.dtype, finite=True)
        check_tensor("features", features, (len(shapes),), bounds.dtype, finite=True)
        with torch.no_grad():
            field.shapes.copy_(shapes)
            field.features.copy_(features)
        return field

    def config(self) -> dict[str, Any]:
        """Count and precision."""
        precision = str(self.bounds.dtype).removeprefix("torch.")
        return {"count": len(self.features), "precision": precision}

    @property
    def centres(self) -> Tensor:
        """(M, d)."""
        return self.shapes[:, : self.dimension]

    def values(self, x: Tensor) -> Tensor:
        """The sums at x (N, d): (N, 1)."""
        return self._sums(x, 0)[:, 0]

    def slopes(self, x: Tensor) -> Tensor:
        """The gradients at x (N, d): (N, 1, d)."""
        return self._sums(x, 1)[:, 1:].transpose(1, 2)

    def curvatures(self, x: Tensor) -> Tensor:
        """The Laplacians at x (N, d): (N, 1)."""
        return self._sums(x, 2)[:, -1]

    def hessian(self, x: Tensor) -> Tensor:
        """The second derivatives at x (..., d): (..., d, d). Raises `InvalidInput` as a call does."""
        self.check(x)
        d = self.dimension
        parts = [gaussian_jets(some, self.shapes).sums(self.features)[2] for some in x.reshape(-1, d).split(2048)]
        return torch.cat([x.new_zeros(0, d, d), *parts]).reshape(*x.shape[:-1], d, d)

    def _sums(self, x: Tensor, order: int) -> Tensor:
        d = self.dimension
        pairs = radial_pairs(x.detach(), self.shapes.detach()[:, :d], self.shapes.detach()[:, d:], SUPPORT)
        return radial_sum(x, self.shapes, self.features[:, None], pairs, "gaussian", SUPPORT, order)
