"""The concentric spherical network: clouds as densities on spheres in spheres, invariant to rotations up to the grid.

Fox, Zhao et al., "Concentric Spherical GNN for 3D Representation Learning" (ICLR 2021 submission): convolutions on
each icosahedral grid, of neighbours alike, take turns with convolutions along the radius, and with pooling to coarser
grids. Rotations of the icosahedron are exact; of others the error falls with the level of the grid (docs/irreps.md).
"""

import torch
from torch import Tensor

from geokit.backend.checks import FLOATS, check_tensor
from geokit.equivariant.irreps.icosphere import Icosphere, icosphere


class ConcentricSpheres(torch.nn.Module):
    """Point clouds (B, N, 3) -> densities (B, 1, R, V) on R spheres of V vertices.

    At each vertex the sum over the points of exp(-distance^2 / (2 width^2)), divided by N. Radii are equidistant up to
    `radius`; `width` is that of the space between them, unless given.
    """

    vertices: Tensor

    def __init__(self, level: int, spheres: int, radius: float = 1.0, width: float | None = None) -> None:
        super().__init__()
        self.width = width or radius / spheres
        radii = torch.arange(1, spheres + 1, dtype=torch.float64) * (radius / spheres)
        self.register_buffer("vertices", radii[:, None, None] * icosphere(level).points, persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """(B, 1, R, V), of (B, N, 3)."""
        check_tensor("points", points, ("B", "N", 3), FLOATS)
        spheres, count, _ = self.vertices.shape
        vertices = self.vertices.to(points).view(-1, 3)
        squares = vertices.square().sum(-1)[:, None] + points.square().sum(-1)[:, None] - 2 * vertices @ points.mT
        return (squares / (-2 * self.width**2)).exp().mean(-1).view(len(points), 1, spheres, count)


class ConcentricConvolution(torch.nn.Module):
    """(B, C, R, V) -> (B, D, R, V): over a vertex and two rings of neighbours, each alike, and over three radii.

    The rings are the mean over neighbours, and its square; the radial kernel comes first, for each of the three.
    """

    neighbors: Tensor
    counts: Tensor
    areas: Tensor

    def __init__(self, channels: int, outputs: int, grid: Icosphere) -> None:
        super().__init__()
        self.radial = torch.nn.Conv2d(channels, 3 * outputs, (3, 1), padding=(1, 0))
        self.scale = torch.nn.Parameter(torch.ones(outputs, 1, 1))
        self.bias = torch.nn.Parameter(torch.zeros(outputs, 1, 1))
        self.register_buffer("neighbors", grid.neighbors, persistent=False)
        own = grid.neighbors == torch.arange(len(grid.neighbors))[:, None]
        self.register_buffer("counts", 6.0 - own.sum(1), persistent=False)
        self.register_buffer("areas", grid.areas, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, R, V), of (B, C, R, V)."""
        center, ring, second = self.radial(x).chunk(3, dim=1)
        mixed = center + self.over_neighbors(ring + self.over_neighbors(second))
        return torch.nn.functional.gelu(self.scale * self.normalized(mixed) + self.bias)

    def normalized(self, x: Tensor) -> Tensor:
        """Each cloud with mean 0 and variance 1 over the areas: means over vertices would depend on the pose."""
        areas = self.areas.to(x)
        x = x - (x @ areas).mean((1, 2))[:, None, None, None]
        return x * ((x.square() @ areas).mean((1, 2)) + 1e-5).rsqrt()[:, None, None, None]

    def over_neighbors(self, x: Tensor) -> Tensor:
        """The mean over the five or six neighbours of each vertex."""
        counts = self.counts.to(x)
        total = x.index_select(-1, self.neighbors.flatten()).unflatten(-1, (-1, 6)).sum(-1)
        return (total - (6 - counts) * x) / counts


class ConcentricNetwork(torch.nn.Module):
    """Point clouds (B, N, 3), centred and within `radius` -> (B, outputs).

    From the finest grid, `level`, to level 0 or `widths` are at their end, a `ConcentricConvolution` a level, then
    pooling: the mean of each vertex and its neighbours at those of the coarser grid. Last the mean over each sphere by
    its areas, and a linear map of all radii and channels.
    """

    areas: Tensor

    def __init__(
        self, level: int, spheres: int, outputs: int, widths: tuple[int, ...] = (16, 32, 64), radius: float = 1.0
    ) -> None:
        super().__init__()
        self.spheres = ConcentricSpheres(level, spheres, radius)
        grids = [icosphere(max(level - depth, 0)) for depth in range(len(widths))]
        self.layers = torch.nn.ModuleList(
            ConcentricConvolution(before, after, grid) for before, after, grid in zip((1, *widths), widths, grids)
        )
        self.sizes = [len(grid.points) for grid in grids]
        self.register_buffer("areas", grids[-1].areas, persistent=False)
        self.head = torch.nn.Linear(widths[-1] * spheres, outputs)

    def forward(self, points: Tensor) -> Tensor:
        """(B, outputs), of (B, N, 3)."""
        x = self.spheres(points)
        for size, finer, layer in zip(self.sizes, (None, *self.layers), self.layers):
            if finer is not None and size < x.shape[-1]:
                x = (0.5 * (x + finer.over_neighbors(x)))[..., :size]
            x = layer(x)
        return self.head((x @ self.areas.to(x)).flatten(1))
