"""Numbers as colours."""

from collections.abc import Callable

import torch
from torch import Tensor

# Nine samples of matplotlib's "inferno" (CC0), evenly spaced.
_INFERNO = torch.tensor(
    [
        [0.001, 0.000, 0.014],
        [0.120, 0.047, 0.283],
        [0.342, 0.062, 0.429],
        [0.550, 0.141, 0.406],
        [0.736, 0.216, 0.330],
        [0.895, 0.351, 0.193],
        [0.978, 0.557, 0.035],
        [0.965, 0.797, 0.213],
        [0.988, 0.998, 0.645],
    ]
)


def inferno(values: Tensor) -> Tensor:
    """(...) numbers, clamped to [0, 1], to (..., 3) colours from black over red to pale yellow."""
    return _between(_INFERNO, values)


# Nine samples of matplotlib's "viridis" (CC0), evenly spaced.
_VIRIDIS = torch.tensor(
    [
        [0.267, 0.005, 0.329],
        [0.278, 0.175, 0.483],
        [0.231, 0.318, 0.545],
        [0.173, 0.449, 0.558],
        [0.128, 0.567, 0.551],
        [0.158, 0.684, 0.502],
        [0.369, 0.789, 0.383],
        [0.668, 0.862, 0.196],
        [0.993, 0.906, 0.144],
    ]
)


def viridis(values: Tensor) -> Tensor:
    """(...) numbers, clamped to [0, 1], to (..., 3) colours from dark violet over green to yellow."""
    return _between(_VIRIDIS, values)


# Our own: blue, pale, red.
_DIVERGING = torch.tensor([[0.16, 0.32, 0.68], [0.94, 0.93, 0.91], [0.74, 0.17, 0.13]])


def diverging(values: Tensor) -> Tensor:
    """(...) numbers, clamped to [0, 1], to (..., 3) colours from blue over pale, at 1/2, to red: for signs."""
    return _between(_DIVERGING, values)


def _between(samples: Tensor, values: Tensor) -> Tensor:
    samples = samples.to(values)
    place = values.clamp(0, 1) * (len(samples) - 1)
    low = place.floor().clamp(max=len(samples) - 2).long()
    share = (place - low)[..., None]
    return samples[low] * (1 - share) + samples[low + 1] * share


COLORMAPS: dict[str, Callable[[Tensor], Tensor]] = {"viridis": viridis, "inferno": inferno, "blue-red": diverging}
