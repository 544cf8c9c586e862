"""Kernels that end at the unit disc: windows of the distance from the origin."""

from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.equivariant.lie.kernels.base import KernelNetwork
from geokit.errors import InvalidInput


def disc_mask(coordinates: Tensor, inner: float | None = 0.5) -> Tensor:
    """(...,) in [0, 1]: 1 near the origin, 0 where |x| >= 1, of coordinates x (..., d).

    inner: the radius up to which the mask is 1. From there a cubic in |x|^2 with one continuous derivative leads to 0
    at |x| = 1, so that a point that moves out of a kernel's reach leaves it smoothly. None is the hard mask, 1 where
    |x| <= 1: that of Lie group decompositions for SL(n) (Mironenco & Forre, ICLR 2024, which takes a logistic function
    for GL+(n); that one never ends).
    Raises InvalidInput for an inner radius outside [0, 1).
    """
    squared = coordinates.square().sum(-1)
    if inner is None:
        return (squared <= 1).to(squared.dtype)
    if not 0 <= inner < 1:
        raise InvalidInput(f"inner radius of a disc mask must be in [0, 1), or None for a hard one, got {inner}")
    t = ((1 - squared) / (1 - inner**2)).clamp(0, 1)
    return t * t * (3 - 2 * t)


class Localised(KernelNetwork):
    """A kernel network times `disc_mask` of its first coordinates, or of several runs of them.

    spatial: how many coordinates the disc has, by default all; with (2, 3) the first two have a disc and the next three
    another. The values of `kernel` are scaled again, so that their mean square *with* the masks over [-1, 1]^d is what
    its constructor asked for.
    Raises InvalidInput for runs that are empty or longer than the coordinates, and as `disc_mask`.
    """

    def __init__(
        self, kernel: KernelNetwork, *, spatial: int | Sequence[int] | None = None, inner: float | None = 0.5
    ) -> None:
        super().__init__(kernel.coordinates, kernel.values, fan_in=kernel.fan_in, gain=kernel.gain)
        runs = (kernel.coordinates,) if spatial is None else (spatial,) if isinstance(spatial, int) else tuple(spatial)
        if not runs or min(runs) < 1 or sum(runs) > kernel.coordinates:
            raise InvalidInput(f"spatial must be between 1 and {kernel.coordinates} coordinates, got {spatial}")
        disc_mask(torch.zeros(1, 1), inner)
        self.kernel, self.runs, self.inner = kernel, runs, inner
        self.calibrate()

    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d)."""
        values, start = self.kernel.evaluate(coordinates), 0
        for length in self.runs:
            values = values * disc_mask(coordinates[..., start : start + length], self.inner)[..., None]
            start += length
        return values

    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number."""
        self.kernel.rescale(factor)
