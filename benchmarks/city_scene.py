"""A street between houses as splats: what a trained capture is like, at any number of splats.

Splats lie flat on surfaces, most of them small and some large, opaque ones and faint ones, and from one camera a third
of them are seen. They are made on the CPU, by a fixed seed.
"""

import math

import torch
from splatting_scenes import projected
from torch import Tensor
from torch.nn.functional import normalize

from geokit.geometry import Cameras, Splats
from geokit.geometry.rotations import quaternion_from_matrix

MEDIAN_RADIUS = 4.0  # pixels of the visible splats' ellipses at 1920x1080
_HOUSES, _DEEP, _WIDE = 24, 120.0, 9.0  # on each side; metres along the street and from its middle to the walls
_SKY, _SKY_AWAY = 200, 300.0  # one splat in so many; metres
_WAVE_CYCLES = (0.2, 0.8)  # a standard deviation


def city(count: int, waves: int = 0, sh_degree: int = 3) -> Splats:
    """`count` splats; with waves each carries so many."""
    g = torch.Generator().manual_seed(count)
    places, normals = _surfaces(count, g)
    away = places.norm(dim=1, keepdim=True)
    sizes = away.clamp(2, 60) * torch.exp(0.9 * torch.randn(count, 1, generator=g)) / 1000
    sizes[: count // _SKY] = 0.03 * _SKY_AWAY  # before the radius is fitted
    flat = torch.tensor([1.0, 0.6, 0.15]) * torch.exp(0.3 * torch.randn(count, 3, generator=g))
    faint = torch.rand(count, generator=g) < 0.45
    logits = torch.where(faint, torch.randn(count, generator=g) - 2.5, torch.randn(count, generator=g) + 2)
    colors = torch.randn(count, (sh_degree + 1) ** 2, 3, generator=g)
    colors[:, 1:] *= 0.08
    splats = Splats(places, _standing(normals, g), (sizes * flat).log(), logits, colors)
    camera = street_camera(1920, 1080)
    for _ in range(4):  # the pixel filter makes radius and size not quite proportional
        radius = float(projected(splats.truncated_sh(0), camera).radii().median())
        splats = splats.replace(log_scales=splats.log_scales + math.log(MEDIAN_RADIUS / radius))
    if waves:
        low, high = _WAVE_CYCLES
        cycles = low + (high - low) * torch.rand(count, waves, 1, generator=g)
        direction = normalize(torch.randn(count, waves, 3, generator=g), dim=-1)
        splats = splats.replace(
            wave_frequencies=cycles * direction / splats.log_scales.exp().mean(1)[:, None, None],
            wave_weights=0.4 * (torch.rand(count, waves, 2, generator=g) - 0.5),
        )
    return splats


def street_camera(width: int, height: int) -> Cameras:
    """In the middle of the street, at a man's height, looking along it."""
    K = torch.tensor([[[0.6 * width, 0, width / 2], [0, 0.6 * width, height / 2], [0, 0, 1]]])
    return Cameras(torch.eye(4)[None], K, ((width, height),))


def _surfaces(count: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Places on the road, the houses' walls and things in the street, on both ends of it; more of them where people
    walk. x right, y down, z along the street."""
    near = torch.rand(count, generator=g) ** 2 * _DEEP
    z = near * torch.where(torch.rand(count, generator=g) < 0.5, -1.0, 1.0)
    kind, u, v = (torch.rand(count, generator=g) for _ in range(3))
    side = torch.where(torch.rand(count, generator=g) < 0.5, -1.0, 1.0)
    house = ((z + _DEEP) / (2 * _DEEP / _HOUSES)).long()
    tall, back = (low + high * torch.rand(_HOUSES + 1, generator=g)[house] for low, high in ((6, 14), (0, 4)))
    zero, one = torch.zeros(count), torch.ones(count)
    road = torch.stack([(2 * u - 1) * _WIDE, 1.7 * one, z], 1)
    wall = torch.stack([side * (_WIDE + back), 1.7 - v * tall, z], 1)
    angle = 2 * math.pi * u
    around = torch.stack([angle.cos(), zero, angle.sin()], 1)  # trunks, lamps, people
    sky = count // _SKY
    stem = torch.stack([side * (3 + 3 * house % 4), 1.7 - 3 * v, 4 * (z / 4).round()], 1) + 0.3 * around
    up, out = torch.stack([zero, -one, zero], 1), torch.stack([-side, zero, zero], 1)
    on_road, on_wall = (kind < 0.3)[:, None], (kind < 0.8)[:, None]
    places = torch.where(on_road, road, torch.where(on_wall, wall, stem))
    normals = torch.where(on_road, up, torch.where(on_wall, out, around))
    normals[:sky] = normalize(torch.randn(sky, 3, generator=g) * torch.tensor([1.0, -0.5, 1.0]), dim=1)
    normals[:sky, 1] = -normals[:sky, 1].abs()
    places[:sky] = _SKY_AWAY * normals[:sky]
    return places, normals


def _standing(normals: Tensor, g: torch.Generator) -> Tensor:
    """(N, 4) rotations that take z to near the normals."""
    z = normalize(normals + 0.15 * torch.randn(normals.shape, generator=g), dim=1)
    x = normalize(torch.linalg.cross(torch.randn(z.shape, generator=g), z), dim=1)
    return quaternion_from_matrix(torch.stack([x, torch.linalg.cross(z, x), z], dim=-1)).to(normals)
