"""Small scenes of splats for the viewer's tests."""

import math

import torch
from geokit.viewer.layers.splats import SplatsLayer

from geokit.geometry import Mesh, Splats


def blob(
    count: int = 400,
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
    waves: int = 0,
    degree: int = 0,
    seed: int = 0,
    size: float = 0.15,
) -> Splats:
    """Coloured splats in a ball of radius 1, with waves where they are asked for."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    places = torch.nn.functional.normalize(normal(count, 3), dim=1) * torch.rand(count, 1, generator=generator) ** 0.33
    scales = math.log(size) + 0.4 * normal(count, 3)
    harmonics = normal(count, (degree + 1) ** 2, 3) * torch.tensor([1.0] + [0.3] * ((degree + 1) ** 2 - 1))[:, None]
    return Splats(
        places + torch.tensor(center), normal(count, 4), scales, 2 * normal(count), harmonics,
        3 * normal(count, waves, 3), 0.5 * normal(count, waves, 2),
    )  # fmt: skip


def disc(depth: float, color: tuple[float, float, float], size: float = 1.0) -> Splats:
    """One nearly opaque flat splat that looks along y, at y = depth. color: sRGB in [0, 1]."""
    harmonics = (torch.tensor([[color]]) - 0.5) / 0.28209479177387814
    scales = torch.tensor([[size, 1e-3 * size, size]]).log()
    return Splats(
        torch.tensor([[0.0, depth, 0.0]]), torch.tensor([[1.0, 0, 0, 0]]), scales, torch.tensor([8.0]), harmonics
    )


def streamed(name: str, splats: Splats) -> SplatsLayer:
    """A layer that geokit renders."""
    layer = SplatsLayer(name, splats)
    layer.rendered_by = "geokit"
    return layer


def board(y: float, half: float = 0.6) -> Mesh:
    """A square across the view at this y."""
    corners = torch.tensor([[-half, y, -half], [half, y, -half], [half, y, half], [-half, y, half]])
    both_sides = torch.tensor([[0, 1, 2], [0, 2, 3], [2, 1, 0], [3, 2, 0]])
    return Mesh(corners.double(), both_sides)
