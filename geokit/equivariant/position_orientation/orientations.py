"""Grids of orientations on the circle and the sphere, and what they integrate exactly."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from geokit.equivariant.position_orientation.harmonics import zonal
from geokit.equivariant.position_orientation.polyhedra import SEEDS, symmetries, vertices
from geokit.errors import InvalidInput

LARGEST_DEGREE = 64  # up to which a grid is examined
EXACT = 1e-13  # of the square of a moment


@dataclass(frozen=True)
class OrientationGrid:
    """O unit vectors of R^n that stand for all of them: sum_o weights[o] f(points[o]) for the mean of f.

    points (O, n) and weights (O,), which sum to 1, are float64; `symmetries` (G, n, n) are the known rotations that
    carry the grid onto itself (at least the identity).
    """

    points: Tensor
    weights: Tensor
    symmetries: Tensor = field(repr=False)
    name: str = "grid"

    def __post_init__(self) -> None:
        count, dim = self.points.shape
        if dim not in (2, 3):
            raise InvalidInput(f"orientations live on the circle (n = 2) or the sphere (n = 3), got n = {dim}")
        if self.weights.shape != (count,) or self.symmetries.shape[1:] != (dim, dim):
            raise InvalidInput(
                f"weights must be ({count},) and symmetries (G, {dim}, {dim}) for points ({count}, {dim})"
            )

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"OrientationGrid({self.name}, {len(self)} orientations of R^{self.dim}, exact to degree {self.degree})"

    @property
    def dim(self) -> int:
        """2 for the circle, 3 for the sphere."""
        return self.points.shape[1]

    @property
    def degree(self) -> int:
        """The largest degree up to which the weights integrate every polynomial exactly (a spherical design's
        strength)."""
        moments = self._moments()
        wrong = (moments[1:].abs() > EXACT).nonzero()
        return int(wrong[0]) if len(wrong) else LARGEST_DEGREE

    @property
    def resolution(self) -> int:
        """The number of different angles between two of its orientations: as many zonal degrees can be told apart."""
        cosines = (self.points @ self.points.T).flatten().sort().values
        return 1 + int((cosines.diff() > 1e-6).sum())

    @property
    def moment(self) -> Tensor:
        """sum_o weights[o] points[o] points[o]^T, (n, n): a multiple of the identity where `degree` is 2 or more."""
        return torch.einsum("o,oi,oj->ij", self.weights, self.points, self.points)

    @property
    def mirrored(self) -> bool:
        """Whether every change of signs of the coordinates carries the grid onto itself."""
        for signs in 1 - 2 * torch.eye(self.dim, dtype=torch.float64):
            indices = self.permutation(torch.diag(signs))
            if indices is None or (self.weights[indices] - self.weights).abs().max() > 1e-9:
                return False
        return True

    def permutation(self, matrix: Tensor) -> Tensor | None:
        """indices (O,) with points[indices[o]] = matrix @ points[o], or None where the matrix does not carry the grid
        onto itself."""
        distances = torch.cdist(self.points @ matrix.T.to(self.points), self.points)
        nearest, indices = distances.min(dim=1)
        return indices if nearest.max() < 1e-6 and len(indices.unique()) == len(self) else None

    def _moments(self) -> Tensor:
        """The mean over all pairs of the zonal polynomial of each degree: 0 just where the degree is integrated
        exactly, since by the addition theorem it is the sum of squares of what the degree's harmonics integrate
        to."""
        values = zonal(self.dim, LARGEST_DEGREE, self.points @ self.points.T)
        return torch.einsum("o,p,opl->l", self.weights, self.weights, values)


def grid(name: str) -> OrientationGrid:
    """A polyhedron's vertices as a grid of orientations, with its rotations.

    tetrahedral 4, octahedral 6, cubic 8, cuboctahedral 12, icosahedral 12, dodecahedral 20, icosidodecahedral 30,
    truncated_icosahedral 60. Raises InvalidInput for other names.
    """
    if name not in SEEDS:
        raise InvalidInput(
            f"there is no grid {name!r}; there are {', '.join(SEEDS)}, and circle, fibonacci, repulsion, product"
        )
    return _even(vertices(name), symmetries(name), name)


def circle(count: int) -> OrientationGrid:
    """`count` equidistant orientations of the plane, the first along x: exact to degree count - 1."""
    angles = torch.arange(_at_least(count, 1), dtype=torch.float64) * (2 * math.pi / count)
    c, s = angles.cos(), angles.sin()
    turns = torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)
    return _even(torch.stack([c, s], -1), turns, f"circle of {count}")


def fibonacci(count: int) -> OrientationGrid:
    """`count` orientations of space on a Fibonacci spiral: even, without symmetry, exact for constants only."""
    i = torch.arange(_at_least(count, 1), dtype=torch.float64) + 0.5
    z, angle = 1 - 2 * i / count, i * (math.pi * (3 - math.sqrt(5)))
    ring = (1 - z * z).sqrt()
    points = torch.stack([ring * angle.cos(), ring * angle.sin(), z], -1)
    return _even(points, torch.eye(3, dtype=torch.float64)[None], f"Fibonacci {count}")


def repulsion(count: int, dim: int = 3, seed: int = 0, steps: int = 500) -> OrientationGrid:
    """`count` orientations of R^dim that have pushed each other apart (the electrons of Thomson's problem)."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(_at_least(count, 1), dim, dtype=torch.float64, generator=generator)
    points = points / points.norm(dim=1, keepdim=True)
    for step in range(steps):
        apart = points[:, None] - points
        push = (apart / (apart.norm(dim=-1, keepdim=True) ** 3 + torch.eye(count)[..., None])).sum(1)
        push = push - (push * points).sum(1, keepdim=True) * points
        points = points + 0.5 * (1 - step / steps) / count * push / (1e-12 + push.norm(dim=1, keepdim=True).max())
        points = points / points.norm(dim=1, keepdim=True)
    return _even(points, torch.eye(dim, dtype=torch.float64)[None], f"repulsion {count}")


def product(degree: int) -> OrientationGrid:
    """Gauss-Legendre latitudes times equidistant longitudes: exact to `degree`, with weights that are not equal."""
    rings, around = _at_least(degree, 0) // 2 + 1, 2 * ((degree + 2) // 2)
    z, ring_weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(rings))
    flat = circle(around)
    ring = (1 - z * z).sqrt()[:, None, None] * flat.points
    points = torch.cat([ring, z[:, None, None].expand(rings, around, 1)], -1).flatten(0, 1)
    turns = torch.eye(3, dtype=torch.float64).repeat(around, 1, 1)
    turns[:, :2, :2] = flat.symmetries
    weights = (ring_weights / 2 / around).repeat_interleave(around)
    return OrientationGrid(points, weights, turns, f"product of degree {degree}")


def _even(points: Tensor, symmetries: Tensor, name: str) -> OrientationGrid:
    weights = torch.full((len(points),), 1 / len(points), dtype=torch.float64)
    return OrientationGrid(points, weights, symmetries, name)


def _at_least(count: int, least: int) -> int:
    if count < least:
        raise InvalidInput(f"an orientation grid needs a number of at least {least}, got {count}")
    return count
