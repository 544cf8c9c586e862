"""The Fourier transform of simplices in plain torch: for any simplices, all frequencies at once."""

from math import factorial

import torch
from torch import Tensor


def simplex_fourier(places: Tensor, weights: Tensor, modes: Tensor, sizes: list[int]) -> Tensor:
    """(C, *sizes, 2) as `geokit.backend.simplex_ops` has it; its gradients are those of autograd."""
    return _some_frequencies(places, weights, _frequencies(modes, sizes)).reshape(weights.shape[1], *sizes, 2)


def _some_frequencies(places: Tensor, weights: Tensor, frequencies: Tensor) -> Tensor:
    turns = places.double() @ frequencies.T  # (N, J + 1, K)
    values = torch.view_as_real(_difference(2 * torch.pi * turns)).to(weights.dtype)
    return torch.einsum("nc,nkp->ckp", weights, values)


def _difference(phases: Tensor) -> Tensor:
    """phi_J of phases (N, J + 1, K) float64: the recursion of divided differences, or a series where it loses digits.

    Phases in ascending order are divided by the largest distance there is; below 2 the series about the middle takes
    over.
    """
    z = phases.sort(dim=1).values.unbind(1)
    table = [torch.exp(-1j * s) for s in z]
    for order in range(1, len(z)):
        table = [_of_order(z[i : i + order + 1], table[i], table[i + 1]) for i in range(len(z) - order)]
    return table[0]


def _of_order(z: tuple[Tensor, ...], lower: Tensor, upper: Tensor) -> Tensor:
    order = len(z) - 1
    half, middle = (z[-1] - z[0]) / 2, (z[0] + z[-1]) / 2
    near = half < 1
    far = 1j * (upper - lower) / torch.where(near, 2.0, 2 * half)
    deltas = [torch.where(near, s - middle, 0) for s in z]
    powers = [torch.ones_like(half)] * len(z)  # complete homogeneous polynomials of the first 1, 2, ... deltas
    series = powers[0] / factorial(order) + 0j
    for n in range(1, 20):
        powers = [deltas[0] * powers[0], *powers[1:]]
        for k in range(1, len(z)):
            powers[k] = deltas[k] * powers[k] + powers[k - 1]
        series = series + powers[-1] * ((-1j) ** n / factorial(n + order))
    return torch.where(near, torch.exp(-1j * middle) * series, far)


def _frequencies(modes: Tensor, sizes: list[int]) -> Tensor:
    """(K, 3)"""
    if len(sizes) == 1:
        return modes
    axes = [modes[0, a] + modes[1, a] * torch.arange(size).to(modes) for a, size in enumerate(sizes)]
    return torch.cartesian_prod(*axes)
