"""The baseline: a kernel by an ordinary smooth network, which sees low frequencies only."""

from itertools import pairwise

from torch import Tensor, nn

from geokit.equivariant.lie.kernels.base import KernelNetwork, check_sizes, scale_linear


class Perceptron(KernelNetwork):
    """`layers` linear maps of width `hidden` with SiLU, then a linear map: what sines and Gabor functions are compared
    with.

    Raises InvalidInput as `KernelNetwork`, and for hidden or layers below 1.
    """

    def __init__(
        self,
        coordinates: int,
        values: int,
        *,
        hidden: int = 32,
        layers: int = 3,
        fan_in: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(coordinates, values, fan_in=fan_in, gain=gain)
        check_sizes(hidden=hidden, layers=layers)
        widths = [coordinates] + [hidden] * layers
        steps: list[nn.Module] = []
        for a, b in pairwise(widths):
            linear = nn.Linear(a, b)
            nn.init.kaiming_normal_(linear.weight)
            steps += [linear, nn.SiLU()]
        self.body = nn.Sequential(*steps)
        self.out = nn.Linear(hidden, values)
        self.calibrate()

    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d)."""
        return self.out(self.body(coordinates))

    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number."""
        scale_linear(self.out, factor)
