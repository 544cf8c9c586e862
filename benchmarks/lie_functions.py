"""Pictures that are functions of the plane: band-limited, known everywhere, moved exactly."""

import math

import torch
from torch import Tensor


class Waves:
    """A random sum of plane waves of at most `highest` periods a unit, of unit variance."""

    def __init__(self, seed: int, highest: float = 1.5, count: int = 24) -> None:
        generator = torch.Generator().manual_seed(seed)
        direction = 2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64)
        size = 2 * math.pi * highest * torch.rand(count, generator=generator, dtype=torch.float64).sqrt()
        self.vectors = size[:, None] * torch.stack([direction.cos(), direction.sin()], dim=-1)
        self.phases = 2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64)

    def __call__(self, places: Tensor) -> Tensor:
        """(...) at places (..., 2)."""
        return torch.cos(places @ self.vectors.mT + self.phases).sum(-1) * (2 / len(self.phases)) ** 0.5


def lattice(side: int) -> Tensor:
    """(side, side, 2) integers (right, down) about the middle one, of an odd number of pixels a side."""
    line = torch.arange(side, dtype=torch.float64) - side // 2
    return torch.stack(torch.broadcast_tensors(line, line[:, None]), dim=-1)


def slope(x: list[float], y: list[float]) -> float:
    """The exponent p of the line y ~ x^p through points, by least squares of logarithms."""
    u, v = torch.tensor(x, dtype=torch.float64).log(), torch.tensor(y, dtype=torch.float64).log()
    u, v = u - u.mean(), v - v.mean()
    return float((u * v).sum() / (u * u).sum())
