"""Samples on a regular grid as a function that is twice continuously differentiable: cubic B-splines."""

import torch
from scipy.ndimage import spline_filter
from torch import Tensor


def spline_coefficients(samples: Tensor) -> Tensor:
    """Coefficients (n_1, ..., n_d) of the tensor product of cubic B-splines through samples (n_1, ..., n_d).

    The function goes on as its mirror image about the first and the last sample (Unser 1999).
    """
    return torch.from_numpy(spline_filter(samples.double().cpu().numpy(), order=3, mode="mirror")).to(samples)


def spline_values(coefficients: Tensor, places: Tensor) -> Tensor:
    """Values (K, N) at places (N, d), in cells from the first sample, of coefficients (K, n_1, ..., n_d).

    Differentiable by places. Those outside of the grid take the value of the nearest place inside.
    """
    d = places.shape[1]
    sizes = coefficients.shape[1:]
    rows = coefficients.flatten(1)
    index = places.new_zeros(len(places), 1, dtype=torch.long)
    weight = places.new_ones(len(places), 1)
    for k in range(d):
        place = places[:, k].clamp(0, sizes[k] - 1)
        first = place.detach().floor().clamp(max=sizes[k] - 2)
        steps = torch.arange(-1, 3, device=places.device)
        along = _mirrored(first.long()[:, None] + steps, sizes[k])
        index = (index[:, :, None] * sizes[k] + along[:, None]).flatten(1)
        weight = (weight[:, :, None] * _basis(place - first)[:, None]).flatten(1)
    return torch.stack([(row[index] * weight).sum(1) for row in rows])


def _basis(f: Tensor) -> Tensor:
    """The four cubic B-splines (N, 4) that do not vanish a share f (N,) of a cell after a knot."""
    g = 1 - f
    return torch.stack([g**3, 4 - 6 * f**2 + 3 * f**3, 4 - 6 * g**2 + 3 * g**3, f**3], 1) / 6


def _mirrored(index: Tensor, size: int) -> Tensor:
    return (size - 1) - ((size - 1) - index.abs()).abs()
