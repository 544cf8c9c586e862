"""A stack of blocks over one grid of orientations, from scalars and vectors of nodes to scalars and vectors of
nodes."""

import torch
from torch import Tensor, nn

from geokit.equivariant.position_orientation.convolution import Block
from geokit.equivariant.position_orientation.graph import Graph
from geokit.equivariant.position_orientation.harmonics import zonal
from geokit.equivariant.position_orientation.kernels import KERNELS
from geokit.equivariant.position_orientation.orientations import OrientationGrid
from geokit.equivariant.position_orientation.radial import RadialEmbedding

LARGEST_ORIENTATION_DEGREE = 8


class GridBody(nn.Module):
    """Lifts scalars and vectors to functions on the grid, applies the blocks, and reads scalars and vectors out after
    each.

    A scalar becomes a constant, a vector v the function v . o; read out are the mean of f(o) and M^-1 times the mean
    of f(o) o with M the mean of o o^T, so that a vector that goes in comes out exactly, on every grid. With
    `bandlimit` L every block's addition is projected onto polynomials of degree L, which a grid of degree 2 L or more
    does exactly.
    """

    grid_points: Tensor
    read: Tensor
    projection: Tensor

    def __init__(
        self,
        grid: OrientationGrid,
        embedding: RadialEmbedding,
        *,
        inputs: tuple[int, int],
        outputs: tuple[int, int],
        hidden: int,
        layers: int,
        kernel: str,
        group: str,
        degree: int,
        kernel_features: int,
        neighbors: float,
        widening: int,
        layer_scale: float | None,
        bandlimit: int | None,
    ) -> None:
        super().__init__()
        self.outputs, self.bandlimit = outputs, bandlimit
        self.lift = nn.Linear(sum(inputs), hidden)
        self.kernel = KERNELS[kernel](embedding, group, degree, hidden, layers, kernel_features, neighbors)
        turns = min(grid.resolution - 1, LARGEST_ORIENTATION_DEGREE)
        self.blocks = nn.ModuleList(Block(grid, hidden, widening, layer_scale, turns) for _ in range(layers))
        self.heads = nn.ModuleList(nn.Linear(hidden, sum(outputs)) for _ in range(layers))
        points, weights = grid.points, grid.weights
        self.band = grid.degree // 2  # what the grid holds without loss
        # In float64, so that `.double()` finds exact numbers; used in the dtype of the features.
        self.register_buffer("grid_points", points, persistent=False)
        # (O, 1 + n): what the mean and the corrected vector read-out multiply the features of an orientation with
        vector = torch.linalg.solve(grid.moment, (points * weights[:, None]).T).T
        self.register_buffer("read", torch.cat([weights[:, None], vector], 1), persistent=False)
        if bandlimit is not None:
            self.register_buffer("projection", band_projection(grid, bandlimit), persistent=False)

    def forward(
        self,
        displacements: Tensor,
        scalars: Tensor,
        vectors: Tensor,
        graph: Graph,
        edge_scalars: Tensor | None = None,
        turns: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """displacements (E, n), scalars (N, S), vectors (N, V, n) to scalars (N, S'), vectors (N, V', n).

        Everything is in the frame of the node that it belongs to, an edge's displacement in its receiver's; `turns`
        (E, n, n) are the sender's axes seen from the receiver where frames differ between them.
        """
        points, read = self.grid_points.to(displacements), self.read.to(displacements)
        lifted = (vectors @ points.T).transpose(1, 2)  # (N, O, V)
        constant = scalars[:, None].expand(-1, len(points), -1)
        x = self.lift(torch.cat([constant, lifted], -1))
        profiles, weights = self.kernel(displacements, points, graph, edge_scalars)
        transport = None if turns is None else self._transport(turns, points, read[:, 0])
        project = None if self.bandlimit is None else self.projection.to(displacements)
        total = x.new_zeros(len(x), len(points), sum(self.outputs))
        for block, head, weight in zip(self.blocks, self.heads, weights):
            x = block(x, profiles, weight, graph, transport, project)
            total = total + head(x)
        s, v = (total / len(self.blocks)).split(list(self.outputs), -1)
        return torch.einsum("noc,o->nc", s, read[:, 0]), torch.einsum("noc,oi->nci", v, read[:, 1:])

    def _transport(self, turns: Tensor, points: Tensor, weights: Tensor) -> Tensor:
        """(E, O, O): a signal on the sender's turned grid, band-limited, at the receiver's orientations."""
        return band_kernel(points.shape[1], self.band, points @ turns @ points.T) * weights


def band_projection(grid: OrientationGrid, degree: int) -> Tensor:
    """(O, O): functions on the grid to their part of polynomial degree up to `degree`, by the grid's own quadrature."""
    return band_kernel(grid.dim, degree, grid.points @ grid.points.T) * grid.weights


def band_kernel(dim: int, degree: int, cosines: Tensor) -> Tensor:
    """K(o . p) with mean over p of K(o . p) f(p) the part of f of degree up to `degree`, of any tensor of cosines."""
    l = torch.arange(degree + 1, dtype=cosines.dtype, device=cosines.device)
    dimensions = 2 * l + 1 if dim == 3 else 2 - (l == 0).to(l)
    return (zonal(dim, degree, cosines) * dimensions).sum(-1)
