"""Functions of places on the globe: spherical harmonics as features of a sine network.

Russwurm et al., "Geographic Location Encoding with Spherical Harmonics and Sinusoidal Representation Networks", ICLR
2024. No seam at the date line, no crowding at the poles.
"""

import math

import torch
from torch import Tensor

from geokit.equivariant.irreps.harmonics import spherical_harmonics
from geokit.errors import InvalidInput


def directions_of(longitude_latitude: Tensor) -> Tensor:
    """(..., 3) unit vectors with the north pole along y and longitude 0 along z, of (..., 2) radians."""
    if longitude_latitude.dim() < 1 or longitude_latitude.shape[-1] != 2:
        raise InvalidInput(
            f"places must be (..., 2), longitude and latitude in radians, got {tuple(longitude_latitude.shape)}"
        )
    longitude, latitude = longitude_latitude.unbind(-1)
    ring = latitude.cos()
    return torch.stack([ring * longitude.sin(), latitude.sin(), ring * longitude.cos()], dim=-1)


class SineLayer(torch.nn.Module):
    """sin(frequency (A x + b)) of Sitzmann et al. 2020, with weights that keep its distribution from layer to layer.

    `bound` is that of the uniform law of A: 1 / inputs for the first layer, sqrt(6 / inputs) / frequency for others.
    """

    def __init__(self, inputs: int, outputs: int, frequency: float, bound: float) -> None:
        super().__init__()
        self.frequency = frequency
        self.linear = torch.nn.Linear(inputs, outputs)
        torch.nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(..., outputs), of (..., inputs)."""
        return torch.sin(self.frequency * self.linear(x))


class LocationEncoder(torch.nn.Module):
    """(..., outputs) of places (..., 2), longitude and latitude in radians.

    Harmonics up to `degree` (the paper's L - 1), `layers` sine layers of width `hidden`, a linear one. The finest
    detail of the features is pi / degree; 10 to 40 are usual.
    """

    def __init__(self, degree: int, outputs: int, hidden: int = 64, layers: int = 2, frequency: float = 30.0) -> None:
        super().__init__()
        self.degree = degree
        inputs = (degree + 1) ** 2
        first = SineLayer(inputs, hidden, frequency, 1 / inputs)
        others = [SineLayer(hidden, hidden, 1.0, math.sqrt(6 / hidden)) for _ in range(layers - 1)]
        self.network = torch.nn.Sequential(first, *others, torch.nn.Linear(hidden, outputs))

    def forward(self, longitude_latitude: Tensor) -> Tensor:
        """(..., outputs), of (..., 2)."""
        directions = directions_of(longitude_latitude)
        return self.network(spherical_harmonics(self.degree, directions, normalization="integral"))
