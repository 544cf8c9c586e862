"""Surfaces as grids of vertices, for many shapes at once: what is turned on a lathe, and tubes along curves.

A patch is (B, M, N, 3): for each of B shapes a grid of M x N vertices whose neighbours are joined by faces. Parameters
are numbers, or tensors (B,) with one for each shape. z is up.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

Number = Tensor | float
_AROUND, _ALONG = 24, 4  # vertices around a circle, and between two corners of an outline


def per_shape(values: Sequence[Number], shapes: int) -> Tensor:
    """(B, K): numbers and tensors (B,) side by side."""
    return torch.stack([torch.as_tensor(value, dtype=torch.float32).expand(shapes) for value in values], 1)


def between(corners: Tensor, steps: int = _ALONG) -> Tensor:
    """(B, (K - 1) steps + 1, D): the corners (B, K, D) of a line, and points between them."""
    share = torch.arange(steps) / steps
    start, end = corners[:, :-1, None], corners[:, 1:, None]
    inner = (start + share[:, None] * (end - start)).flatten(1, 2)
    return torch.cat([inner, corners[:, -1:]], 1)


def circle(shapes: int, x: Number = 1.0, y: Number = 1.0) -> Tensor:
    """(B, N, 2): closed ellipses with half axes x and y."""
    angles = torch.linspace(0, 2 * math.pi, _AROUND + 1)
    return torch.stack([angles.cos(), angles.sin()], 1) * per_shape((x, y), shapes)[:, None]


def polygon(sides: Tensor, most: int, inner: Number = 1.0, x: Number = 1.0, y: Number = 1.0) -> Tensor:
    """(B, N, 2): closed polygons with sides (B,), at most `most`, in ellipses x by y; every second corner at `inner`.

    With `inner` below 1 they are stars. A polygon with fewer sides than `most` repeats its last corner.
    """
    numbers = torch.minimum(torch.arange(most + 1), sides[:, None])
    angles = (2 * math.pi * numbers + math.pi) / sides[:, None]
    radii = torch.where(numbers % 2 == 1, torch.as_tensor(inner).reshape(-1, 1), 1.0)
    corners = torch.stack([radii * angles.cos(), radii * angles.sin()], 2)
    return between(corners * per_shape((x, y), len(sides))[:, None])


def outline(corners: Sequence[tuple[Number, Number]], shapes: int) -> Tensor:
    """(B, N, 2): the closed outline through corners (x, y)."""
    closed = [*corners, corners[0]]
    return between(torch.stack([per_shape(corner, shapes) for corner in closed], 1))


def lathe(section: Tensor, profile: Sequence[tuple[Number, Number]], steps: int = _ALONG) -> Tensor:
    """A patch: the section (B, N, 2) scaled and lifted along the corners (scale, height) of a profile.

    A circle makes a body of revolution, a polygon a prism or pyramid; a scale of 0 closes it. A section must be seen
    whole from its origin.
    """
    shapes = len(section)
    return turned(section, between(torch.stack([per_shape(corner, shapes) for corner in profile], 1), steps))


def turned(section: Tensor, profile: Tensor) -> Tensor:
    """`lathe` with a profile (B, M, 2) of many points (scale, height)."""
    flat = profile[:, :, None, :1] * section[:, None]
    return torch.cat([flat, profile[:, :, None, 1:].expand(-1, -1, section.shape[1], -1)], 3)


def slab(section: Tensor, low: Number, high: Number) -> Tensor:
    """A patch: the section (B, N, 2) from height `low` to `high`, closed."""
    return lathe(section, [(0.0, low), (1.0, low), (1.0, high), (0.0, high)])


def block(shapes: int, x: Number, y: Number, low: Number, high: Number) -> Tensor:
    """A patch: boxes with half sides x and y from height `low` to `high`."""
    return slab(outline([(x, y), (-x, y), (-x, -y), (x, -y)], shapes), low, high)


def tube(path: Tensor, normals: Tensor, radius: Number | Tensor) -> Tensor:
    """A patch around paths (B, M, 3), open at its ends; normals (B, M, 3) are across them, radius (B,) or (B, M)."""
    steps = torch.gradient(path, dim=1)[0]
    sides = normalize(torch.linalg.cross(steps, normals), dim=2)
    around = circle(1)[0]
    radii = torch.as_tensor(radius)
    radii = radii.reshape(-1, 1, 1, 1) if radii.dim() < 2 else radii[:, :, None, None]
    return path[:, :, None] + radii * (around[:, :1] * normals[:, :, None] + around[:, 1:] * sides[:, :, None])


def shifted(patch: Tensor, x: Number = 0.0, y: Number = 0.0, z: Number = 0.0) -> Tensor:
    """The patch elsewhere."""
    return patch + per_shape((x, y, z), len(patch))[:, None, None]
