"""Pictures as functions of the plane, drawn at any resolution and moved exactly."""

import torch
from torch import Tensor


def blobs(side: int, a: Tensor | None = None, b: Tensor | None = None, *, seed: int = 0, size: float = 1.0) -> Tensor:
    """(1, 1, side, side) float64 of the square [-1, 1]^2: five Gaussians within half of it, moved by x -> a x + b."""
    generator = torch.Generator().manual_seed(seed)
    centers = 0.45 * size * (torch.rand(5, 2, generator=generator, dtype=torch.float64) - 0.5)
    widths = size * (0.06 + 0.06 * torch.rand(5, generator=generator, dtype=torch.float64))
    heights = 0.5 + torch.rand(5, generator=generator, dtype=torch.float64)
    places = grid(side)
    if b is not None:
        places = places - b
    if a is not None:
        places = places @ torch.linalg.inv(a).mT
    squares = (places[..., None, :] - centers).square().sum(-1) / widths**2
    return (heights * torch.exp(-0.5 * squares)).sum(-1)[None, None]


def grid(side: int) -> Tensor:
    """(side, side, 2) centres of pixels, (right, down), of the square [-1, 1]^2."""
    line = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 - 1
    return torch.stack(torch.broadcast_tensors(line, line[:, None]), dim=-1)


def strokes(side: int = 40, *, seed: int = 0, height: int | None = None) -> Tensor:
    """(1, 1, height, side) float64: a path of thick dots, as a pen leaves one, away from the border."""
    generator = torch.Generator().manual_seed(seed)
    height = side if height is None else height
    steps = torch.randn(60, 2, generator=generator, dtype=torch.float64).cumsum(0)
    steps = (steps - steps.mean(0)) / (steps - steps.mean(0)).abs().max() * 0.25 * min(side, height)
    x, y = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (side, height))
    places = torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1)
    distance = (places[..., None, :] - steps).norm(dim=-1).amin(-1)
    return (1.9 - distance).clamp(0, 1)[None, None]
