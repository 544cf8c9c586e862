"""Kernels by sine networks: SIREN, and the weight-normalised form of CKConv."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from geokit.equivariant.lie.kernels.base import KernelNetwork, check_positive, check_sizes, scale_linear


class Siren(KernelNetwork):
    """`layers` sine layers h -> sin(omega (W h + b)) of width `hidden`, then a linear map.

    omega sets the frequencies: the first layer oscillates with up to about omega / (2 pi) periods a unit along each
    axis, later layers multiply them. Initialised so that the arguments of the sines keep a standard normal law through
    the layers (Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions", 2020,
    section 3.2); phases are uniform.
    Raises InvalidInput as `KernelNetwork`, and for hidden, layers or omega that are not positive.
    """

    def __init__(
        self,
        coordinates: int,
        values: int,
        *,
        hidden: int = 32,
        layers: int = 3,
        omega: float = 10.0,
        fan_in: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(coordinates, values, fan_in=fan_in, gain=gain)
        check_sizes(hidden=hidden, layers=layers)
        check_positive(omega=omega)
        self.omega = omega
        widths = [coordinates] + [hidden] * layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.out = nn.Linear(hidden, values)
        for number, layer in enumerate(self.hidden):
            assert isinstance(layer, nn.Linear)
            bound = (6 / layer.in_features) ** 0.5 / omega if number else 1 / coordinates
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -math.pi / omega, math.pi / omega)
        nn.init.zeros_(self.out.bias)
        self.calibrate()

    def evaluate(self, coordinates: Tensor) -> Tensor:
        """(..., V) values at coordinates (..., d)."""
        h = coordinates
        for layer in self.hidden:
            h = torch.sin(self.omega * layer(h))
        return self.out(h)

    def rescale(self, factor: Tensor) -> None:
        """Multiplies every value by a number."""
        scale_linear(self.out, factor)


class CKConvKernel(Siren):
    """The kernel of CKConv: sine layers whose weights are normalised, W = g v / |v| for each row, on relative
    positions.

    Length and direction of a frequency are learnt apart, so that a step along g is a step in frequency alone
    (Romero et al., "CKConv: Continuous Kernel Convolution for Sequential Data", 2022, section 4.2 and appendix; omega
    is their omega_0, which they choose for each data set). Everything else is as in `Siren`.
    """

    def __init__(
        self,
        coordinates: int,
        values: int,
        *,
        hidden: int = 32,
        layers: int = 2,
        omega: float = 30.0,
        fan_in: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(coordinates, values, hidden=hidden, layers=layers, omega=omega, fan_in=fan_in, gain=gain)
        for layer in self.hidden:
            assert isinstance(layer, nn.Linear)
            if layer.in_features > 1:  # a row of one number has no direction to learn
                weight_norm(layer)
