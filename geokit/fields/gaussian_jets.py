"""Values, gradients and Hessians of every Gaussian at every point, as dense matrices: the rows of least squares."""

from typing import NamedTuple

import torch
from torch import Tensor

SUPPORT = 7.0  # standard deviations: exp(-s/2) is 2e-11 there, so that the taper costs no accuracy


class Jets(NamedTuple):
    """Of M kernels at N points: values (N, M), gradients (N, d, M), Hessians (N, d, d, M)."""

    values: Tensor
    gradients: Tensor
    hessians: Tensor

    def sums(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Value (N,), gradient (N, d) and Hessian (N, d, d) of the sum of kernels times features (M,)."""
        return self.values @ features, self.gradients @ features, self.hessians @ features


def gaussian_jets(x: Tensor, shapes: Tensor) -> Jets:
    """Jets at x (N, d) of the kernels exp(-s/2) T(s/S^2), s = |A (x - c)|^2, S = `SUPPORT`, differentiable by shapes.

    shapes (M, d + d (d + 1) / 2): centre c, then the lower triangle of A by rows, as `geokit.backend.radial_ops` takes
    them; T is its taper, which makes the support compact and keeps three derivatives continuous.
    """
    d = x.shape[1]
    rows, columns = torch.tril_indices(d, d).tolist()
    entries = {(i, j): shapes[:, d + k] for k, (i, j) in enumerate(zip(rows, columns))}
    y = [x[:, k, None] - shapes[:, k] for k in range(d)]
    u = [_total([entries[i, j] * y[j] for j in range(i + 1)]) for i in range(d)]
    first, slope, curve = _profile(_total([part.square() for part in u]))
    pulled = [_total([entries[i, k] * u[i] for i in range(k, d)]) for k in range(d)]  # A^T u
    gradients = torch.stack([2 * slope * part for part in pulled], 1)
    hessians: list[Tensor] = []
    for k in range(d):
        for j in range(d):
            product = _total([entries[i, k] * entries[i, j] for i in range(max(j, k), d)])  # (A^T A)_kj
            symmetric = j < k
            hessians.append(
                hessians[j * d + k] if symmetric else 4 * curve * pulled[k] * pulled[j] + 2 * slope * product
            )
    return Jets(first, gradients, torch.stack(hessians, 1).unflatten(1, (d, d)))


def _profile(s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The profile and its first two derivatives by s."""
    square = SUPPORT**2
    v = (s / square).clamp(max=1)
    w = 1 - v
    taper = w**4 * (1 + v * (4 + v * (10 + 20 * v)))
    first, second = -140 / square * (v * w) ** 3, -420 / square**2 * (v * w) ** 2 * (1 - 2 * v)
    bell = (-s / 2).exp()
    return bell * taper, bell * (first - taper / 2), bell * (taper / 4 - first + second)


def _total(parts: list[Tensor]) -> Tensor:
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result
