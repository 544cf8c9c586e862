"""Values of functions at points of the sphere by one matrix product, or by two of half the size."""

import numpy as np
import torch
from torch import Tensor

from geokit.equivariant.irreps.harmonics import degrees_of


class MatrixTransform:
    """Coefficients (N, (L + 1)^2) <-> values at G points, for functions sum_k coefficients[k] matrix[k, point].

    Rows of `matrix` (K, G), float64, are the values of harmonics or of what else has their parity. With `halved`, the
    points stand for themselves and their opposites: the even and the odd part of a function, even degrees and odd
    ones, are evaluated apart, in two classes, with half of the work that twice the points would be. `shift` is added
    to the degrees before they are called even or odd. Otherwise there is one class.
    """

    def __init__(
        self, matrix: np.ndarray, halved: bool, dtype: torch.dtype, device: torch.device, shift: int = 0
    ) -> None:
        self.points = matrix.shape[1] * (1 + halved)
        degree = round(len(matrix) ** 0.5) - 1
        parity = (degrees_of(degree) + shift) % 2 if halved else torch.zeros(len(matrix), dtype=torch.int64)
        order = parity.argsort(stable=True)
        table = torch.from_numpy(np.ascontiguousarray(matrix[order.numpy()])).to(device, dtype)
        self.parts = table.split(parity.bincount(minlength=1 + halved).tolist())
        self.order = order.to(device) if halved else None
        self.place = order.argsort().to(device)

    def values(self, coefficients: Tensor) -> list[Tensor]:
        """For each class (N, G)."""
        if self.order is None:
            return [coefficients @ self.parts[0]]
        ordered = coefficients.index_select(1, self.order).split([len(part) for part in self.parts], dim=1)
        return [some @ part for some, part in zip(ordered, self.parts)]

    def adjoint(self, values: list[Tensor], out: Tensor) -> None:
        """The transposed map of `values`, into out (N, (L + 1)^2)."""
        if self.order is None:
            torch.mm(values[0], self.parts[0].T, out=out)
            return
        ordered = torch.empty_like(out)
        for value, part, some in zip(values, self.parts, ordered.split([len(part) for part in self.parts], dim=1)):
            torch.mm(value, part.T, out=some)
        torch.index_select(ordered, 1, self.place, out=out)
