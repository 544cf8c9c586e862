"""The small network behind encodings of space."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from geokit.errors import InvalidInput

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "silu": F.silu, "softplus": F.softplus}


class Perceptron(nn.Module):
    """A multilayer perceptron from features (N, inputs) to values (N, outputs).

    layers: hidden layers of `hidden` units. activation: "relu", or "silu" or "softplus", whose derivatives are
    continuous, for fields whose derivatives matter. Weights are drawn uniformly with variance 2 / fan-in (He et al.
    2015), of the last layer with 1 / fan-in; biases are zero; the same seed gives the same weights.

    Inside, arrays run over the points fastest, as the grids give them: no product then needs another order in memory,
    forwards or backwards. Raises `InvalidInput` for sizes below 1 and unknown activations.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int = 64,
        layers: int = 2,
        activation: str = "relu",
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if min(inputs, outputs, hidden, layers) < 1:
            raise InvalidInput(
                "a perceptron needs at least one input, output, hidden unit and hidden layer, "
                f"got {inputs}, {outputs}, {hidden} and {layers}"
            )
        if activation not in ACTIVATIONS:
            raise InvalidInput(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        self.inputs, self.outputs, self.hidden, self.layers = inputs, outputs, hidden, layers
        self.activation = activation
        generator = torch.Generator().manual_seed(seed)
        sizes = [inputs, *[hidden] * layers, outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for number, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            bound = math.sqrt((6 if number < layers else 3) / fan_in)
            drawn = torch.rand(fan_out, fan_in, generator=generator, dtype=torch.float64)
            self.weights.append(nn.Parameter((bound * (2 * drawn - 1)).to(dtype)))
            self.biases.append(nn.Parameter(torch.zeros(fan_out, 1, dtype=dtype)))

    @staticmethod
    def parameters_of(inputs: int, outputs: int, hidden: int = 64, layers: int = 2) -> int:
        """How many parameters a perceptron of these sizes has."""
        return hidden * (inputs + 1) + (layers - 1) * hidden * (hidden + 1) + outputs * (hidden + 1)

    def config(self) -> dict[str, object]:
        """Arguments that make an untrained perceptron of the same structure."""
        names = ("inputs", "outputs", "hidden", "layers", "activation")
        return {name: getattr(self, name) for name in names}

    def forward(self, features: Tensor) -> Tensor:
        """Values (N, outputs)."""
        h = features.T
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            h = torch.addmm(bias, weight, h)
            if number < self.layers:
                h = ACTIVATIONS[self.activation](h)
        return h.T
