"""The vertices of the regular polyhedra and the rotations that carry them onto themselves."""

import itertools
import math

import torch
from torch import Tensor

from geokit.errors import InvalidInput

GOLDEN = (1 + math.sqrt(5)) / 2

# One vertex of each; the others are its images under the rotations of the group. All stand so that the half-turns
# about the coordinate axes, and all but the tetrahedron also the mirrors x -> -x, y -> -y, z -> -z, carry them onto
# themselves.
SEEDS = {
    "tetrahedral": ("tetrahedral", (1.0, 1.0, 1.0)),
    "octahedral": ("octahedral", (1.0, 0.0, 0.0)),
    "cubic": ("octahedral", (1.0, 1.0, 1.0)),
    "cuboctahedral": ("octahedral", (1.0, 1.0, 0.0)),
    "icosahedral": ("icosahedral", (0.0, 1.0, GOLDEN)),
    "dodecahedral": ("icosahedral", (1.0, 1.0, 1.0)),
    "icosidodecahedral": ("icosahedral", (0.0, 0.0, 1.0)),
    "truncated_icosahedral": ("icosahedral", (0.0, 1.0, 3 * GOLDEN)),
}


def vertices(name: str) -> Tensor:
    """Unit vertices (O, 3), float64: tetrahedral 4, octahedral 6, cubic 8, cuboctahedral and icosahedral 12,
    dodecahedral 20, icosidodecahedral 30, truncated_icosahedral 60."""
    group, seed = _named(name)
    start = torch.tensor(seed, dtype=torch.float64)
    return _distinct(rotation_group(group) @ (start / start.norm()))


def symmetries(name: str) -> Tensor:
    """The rotations (G, 3, 3) that carry the named polyhedron onto itself: 12, 24 or 60, the identity first."""
    return rotation_group(_named(name)[0])


def rotation_group(name: str) -> Tensor:
    """All rotations (G, 3, 3) of the tetrahedral (12), octahedral (24) or icosahedral (60) group, the identity
    first."""
    thirds = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)  # x -> y -> z -> x
    half = torch.diag(torch.tensor([-1.0, -1, 1], dtype=torch.float64))
    if name == "octahedral":
        extra = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    elif name == "icosahedral":  # the fifth of a turn about the vertex (0, 1, golden)
        extra = _turn(torch.tensor([0.0, 1.0, GOLDEN], dtype=torch.float64), 2 * math.pi / 5)
    else:
        extra = torch.eye(3, dtype=torch.float64)
    return _closure(torch.stack([thirds, half, extra]))


def _named(name: str) -> tuple[str, tuple[float, float, float]]:
    if name not in SEEDS:
        raise InvalidInput(f"there is no polyhedron {name!r}; there are {', '.join(SEEDS)}")
    return SEEDS[name]


def _turn(axis: Tensor, angle: float) -> Tensor:
    axis = axis / axis.norm()
    cross = torch.linalg.cross(torch.eye(3, dtype=axis.dtype), axis.expand(3, 3))
    return torch.matrix_exp(angle * cross)


def _closure(generators: Tensor) -> Tensor:
    """The group that some orthogonal matrices (G, 3, 3) generate, if it is finite."""
    group = torch.eye(3, dtype=generators.dtype)[None]
    while True:
        products = torch.stack([a @ b for a, b in itertools.product(group, generators)])
        larger = _distinct(torch.cat([group, products]).flatten(1)).unflatten(1, (3, 3))
        if len(larger) == len(group):
            return group
        group = larger


def _distinct(rows: Tensor) -> Tensor:
    """The rows (N, D) without those that repeat an earlier one."""
    same = (torch.cdist(rows, rows) < 1e-6).tril(-1).any(dim=1)
    return rows[~same]
