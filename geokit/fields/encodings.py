"""Encodings of space: what a field's network is given instead of coordinates."""

import math
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from geokit.errors import InvalidInput


@runtime_checkable
class Encoding(Protocol):
    """A module that turns points into features; radial kernels, grids and waves are some.

    One that has a `config()` of numbers and words, as a field has, is told about in the config of its field.
    """

    width: int

    def features(self, x: Tensor) -> Tensor:
        """Features (N, width) of points x (N, d), in the unit of the field."""
        ...


class Coordinates(nn.Module):
    """The coordinates themselves, the longest side of the box as [-1, 1]: (N, d)."""

    bounds: Tensor

    def __init__(self, bounds: Tensor) -> None:
        super().__init__()
        self.register_buffer("bounds", bounds.detach().clone())
        self.width = bounds.shape[1]

    def config(self) -> dict[str, Any]:
        """Nothing but the bounds."""
        return {"kind": "coordinates"}

    def features(self, x: Tensor) -> Tensor:
        """The coordinates of x (N, d) around the middle of the box, in halves of its longest side."""
        return (x - self.bounds.mean(0)) * (2 / (self.bounds[1] - self.bounds[0]).max())


class FourierFeatures(nn.Module):
    """Cosines and sines of random waves: (N, 2 waves).

    Wave vectors are normal with standard deviation `frequency`, in periods per longest side of the box; they are drawn
    by the seed and not trained, so that they are no parameters.
    Source: Tancik et al. 2020, "Fourier features let networks learn high frequency functions in low dimensional
    domains", section 6.
    """

    bounds: Tensor
    waves: Tensor

    def __init__(self, bounds: Tensor, waves: int = 128, frequency: float = 10.0, seed: int = 0) -> None:
        super().__init__()
        if waves < 1 or not 0 < frequency < math.inf:
            raise InvalidInput(
                f"there must be waves, and a frequency above 0, got {waves} waves, frequency {frequency}"
            )
        self.register_buffer("bounds", bounds.detach().clone())
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(waves, bounds.shape[1], generator=generator, dtype=torch.float64)
        self.register_buffer("waves", (frequency * drawn).to(bounds))
        self.width, self.frequency, self.seed = 2 * waves, frequency, seed

    def config(self) -> dict[str, Any]:
        """How many waves of which frequency, by which seed."""
        return {"kind": "waves", "waves": self.width // 2, "frequency": self.frequency, "seed": self.seed}

    def features(self, x: Tensor) -> Tensor:
        """Cosines, then sines, of x (N, d)."""
        unit = (x - self.bounds[0]) / (self.bounds[1] - self.bounds[0]).max()
        phases = 2 * math.pi * (self.waves @ unit.T)
        return torch.cat([phases.cos(), phases.sin()]).T
