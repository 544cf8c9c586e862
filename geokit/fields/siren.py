"""Networks of sines."""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput
from geokit.fields.encodings import Coordinates
from geokit.fields.field import Field


class SirenField(Field):
    """A network of sines, smooth to every order: h = sin(frequency (W h + b)), with a linear last layer.

    Coordinates are scaled so that the longest side of the box is [-1, 1]. layers: hidden layers of `hidden` units.
    First layer W uniform in 1 / d, the others in sqrt(6 / fan-in) / frequency, biases in 1 / sqrt(fan-in), by the seed.
    Source: Sitzmann et al. 2020, "Implicit neural representations with periodic activation functions", section 3.2.
    Raises `InvalidInput` for sizes below 1 or a frequency that is not above 0.
    """

    def __init__(
        self,
        bounds: Tensor,
        channels: int,
        hidden: int = 256,
        layers: int = 4,
        frequency: float = 30.0,
        seed: int = 0,
    ) -> None:
        super().__init__(bounds, channels)
        if min(hidden, layers) < 1 or not 0 < frequency < math.inf:
            raise InvalidInput(
                "a network of sines needs a hidden unit, a hidden layer and a frequency above 0, "
                f"got {hidden}, {layers} and {frequency}"
            )
        self.coordinates = Coordinates(bounds)
        self.hidden, self.layers, self.frequency = hidden, layers, frequency
        generator = torch.Generator().manual_seed(seed)
        sizes = [self.dimension, *[hidden] * layers, channels]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for number, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            bound = 1 / fan_in if number == 0 else math.sqrt(6 / fan_in) / frequency
            for store, shape, reach in (
                (self.weights, (fan_out, fan_in), bound),
                (self.biases, (fan_out, 1), 1 / math.sqrt(fan_in)),
            ):
                drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
                store.append(nn.Parameter((reach * (2 * drawn - 1)).to(bounds)))

    def config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = ("channels", "hidden", "layers", "frequency")
        return {name: getattr(self, name) for name in names}

    def values(self, x: Tensor) -> Tensor:
        """The network's values (N, c) at points x (N, d)."""
        h = self.coordinates.features(x).T
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            h = torch.addmm(bias, weight, h)
            if number < self.layers:
                h = (self.frequency * h).sin()
        return h.T
