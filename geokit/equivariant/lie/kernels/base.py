"""What all kernel networks share: shapes, their checks, and the size of their values at construction."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput

CALIBRATION_POINTS = 8192


class KernelNetwork(nn.Module, ABC):
    """A kernel as a function of a relative position: coordinates (..., d) to values (..., V).

    V is whatever a layer needs: C_out * C_in for a dense convolution, C for one that is depthwise. Coordinates are
    meant to lie in [-1, 1]^d, the kernel's domain. At construction the values are scaled to a mean square of
    gain^2 / fan_in over that domain: a sum of fan_in independent inputs of unit variance, each weighted by the
    kernel, has the variance gain^2. A kernel network writes `evaluate` and `rescale`; its constructor ends with
    `calibrate`.
    Raises InvalidInput for sizes that are not whole or below 1, and fan_in or gain that are not positive.
    """

    def __init__(self, coordinates: int, values: int, *, fan_in: float = 1.0, gain: float = 1.0) -> None:
        super().__init__()
        check_sizes(coordinates=coordinates, values=values)
        check_positive(fan_in=fan_in, gain=gain)
        self.coordinates, self.values, self.fan_in, self.gain = coordinates, values, float(fan_in), float(gain)

    def forward(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d). Raises InvalidInput for another d."""
        if coordinates.ndim < 1 or coordinates.shape[-1] != self.coordinates:
            raise InvalidInput(
                f"coordinates of this kernel must be (..., {self.coordinates}), got {tuple(coordinates.shape)}"
            )
        return self.evaluate(coordinates)

    @abstractmethod
    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d), which are known to have that shape."""

    @abstractmethod
    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number, through the parameters; without gradient."""

    @torch.no_grad()
    def calibrate(self) -> None:
        """Brings the mean square of the values over [-1, 1]^d to gain^2 / fan_in.

        Measured at the same quasi-random points each time, so that the random numbers drawn before and after stay as
        they were. Parameters on the meta device have no values to measure.
        """
        like = next(self.parameters())
        if like.is_meta:
            return
        engine = torch.quasirandom.SobolEngine(self.coordinates, scramble=True, seed=0)
        points = engine.draw(CALIBRATION_POINTS, dtype=torch.float32).to(like) * 2 - 1
        size = self.evaluate(points).square().mean().sqrt()
        self.rescale(self.gain / self.fan_in**0.5 / size.clamp(min=1e-12))

    def extra_repr(self) -> str:
        """Sizes, for the one line that torch prints."""
        return f"coordinates={self.coordinates}, values={self.values}, fan_in={self.fan_in:g}"


@torch.no_grad()
def scale_linear(linear: nn.Linear, factor: Tensor) -> None:
    """Multiplies what a linear map gives by a number, without gradient."""
    linear.weight.mul_(factor)
    linear.bias.mul_(factor)


def check_sizes(**sizes: int) -> None:
    """Raises InvalidInput for numbers that are not whole or below 1."""
    for name, value in sizes.items():
        if value != int(value) or value < 1:
            raise InvalidInput(f"{name} of a kernel must be a whole number of at least 1, got {value}")


def check_positive(**numbers: float) -> None:
    """Raises InvalidInput for numbers that are not positive and finite."""
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            raise InvalidInput(f"{name} of a kernel must be positive and finite, got {value}")
