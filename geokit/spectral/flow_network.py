"""The network of a flow on a surface: a perceptron of places and times."""

import math

import torch
from torch import Tensor, nn

_WAVES = 3  # octaves of the places' sines and cosines, the lowest of wavelength 4 sqrt(area)


class FlowNetwork(nn.Module):
    """Vectors (P, 3) of places (P, 3) and times (P,), in the surface's unit of length; float64 outside, float32 within.

    centre (3,) and size: places are measured from it in units of `size`.
    """

    centre: Tensor

    def __init__(self, centre: Tensor, size: float, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("centre", centre.detach().clone())
        self.size = size
        inputs = 3 + 6 * _WAVES + 3
        layers: list[nn.Module] = []
        for before, after in ((inputs, width), (width, width), (width, width), (width, 3)):
            layer = nn.Linear(before, after)
            nn.init.kaiming_uniform_(layer.weight, a=1 if after != 3 else 10, generator=generator)
            nn.init.zeros_(layer.bias)
            layers += [layer, nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, places: Tensor, times: Tensor) -> Tensor:
        """Vectors (P, 3)."""
        x, t = ((places - self.centre) / self.size).float(), times.float()[:, None]
        waves = [f(math.pi / 2 * 2**k * x) for k in range(_WAVES) for f in (torch.sin, torch.cos)]
        clock = [t, torch.sin(2 * math.pi * t), torch.cos(2 * math.pi * t)]
        return self.layers(torch.cat([x, *waves, *clock], 1)).to(places.dtype) * self.size
