"""Numbers as colours."""

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
    place = values.clamp(0, 1) * (len(_INFERNO) - 1)
    low = place.floor().clamp(max=len(_INFERNO) - 2).long()
    share = (place - low)[..., None]
    return _INFERNO[low] * (1 - share) + _INFERNO[low + 1] * share
