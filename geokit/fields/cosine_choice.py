"""Which local cosines an image is worth: the best for a budget, by Lagrange's multiplier."""

import math

import torch
from torch import Tensor

from geokit.errors import InvalidInput

_STEPS = 40  # of the bisection


def price_for(coefficients: Tensor, budget: float) -> float:
    """The price of a number for which `kept` takes numbers and bits within the budget, in numbers of 32 bits.

    coefficients (tiles down, tiles across, functions down, functions across, c) of an orthonormal basis, so that what
    is left out is the error, squared. Raises `InvalidInput` where not even the rectangles fit.
    """
    energy = coefficients.square()
    tiles = energy[:, :, 0, 0].numel()
    if budget < tiles / 2:
        raise InvalidInput(
            f"the budget is too small: {tiles} tiles and channels alone take {math.ceil(tiles / 2)} numbers, "
            f"got {math.floor(budget)} for them; raise it or make the image smaller"
        )
    if _cost(*_kept(energy, 0.0)) <= budget:
        return 0.0
    low, high = -80.0, float(energy.max().clamp(min=1e-30).log2()) + 8
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _cost(*_kept(energy, 2.0**middle)) <= budget:
            high = middle
        else:
            low = middle
    return 2.0**high


def kept(coefficients: Tensor, price: float) -> Tensor:
    """Which coefficients are worth their price, bool.

    Every tile and channel keeps those with c^2 > price in one rectangle of the lowest frequencies, and takes the
    rectangle with the least error + price (numbers + bits / 32) (Shoham and Gersho 1988).
    """
    return _kept(coefficients.square(), price)[0]


def _kept(energy: Tensor, price: float) -> tuple[Tensor, Tensor]:
    """Which are kept, and how many functions each rectangle holds."""
    gain = (energy - price).clamp(min=0) - price / 32
    total = gain.cumsum(2).cumsum(3).permute(0, 1, 4, 2, 3).flatten(3)
    best, place = total.max(-1)
    down, across = (torch.arange(n, device=energy.device)[:, None] for n in energy.shape[2:4])
    rows, columns = (torch.where(best > 0, n + 1, 0) for n in (place // len(across), place % len(across)))
    inside_rows = down < rows[:, :, None]  # (.., functions, c)
    inside_columns = across < columns[:, :, None]
    inside = inside_rows[:, :, :, None] & inside_columns[:, :, None]
    return inside & (energy > price), rows * columns


def _cost(keep: Tensor, sizes: Tensor) -> float:
    return int(keep.sum()) + (16 * sizes.numel() + int(sizes.sum())) / 32
