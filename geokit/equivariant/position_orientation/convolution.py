"""The separable convolution over positions and orientations, and the block that networks are made of."""

import torch
from torch import Tensor, nn

from geokit.backend.fiber_ops import fiber_convolution
from geokit.backend.mixing_ops import channel_mixing
from geokit.backend.orientation_ops import orientation_convolution
from geokit.equivariant.position_orientation.graph import Graph
from geokit.equivariant.position_orientation.harmonics import zonal
from geokit.equivariant.position_orientation.orientations import OrientationGrid


class OrientationConvolution(nn.Module):
    """x'[i, p, c] = sum_o w_o k_c(o . p) x[i, o, c]: a kernel of the angle between two orientations for each channel.

    The kernel is a sum of zonal polynomials up to `degree`: as many as the grid tells apart make it any function of the
    angle. At construction each degree is multiplied by about 1: features keep their size.
    """

    basis: Tensor

    def __init__(self, grid: OrientationGrid, channels: int, degree: int) -> None:
        super().__init__()
        cosines = grid.points @ grid.points.T
        basis = zonal(grid.dim, degree, cosines)
        # Scaled so that each degree alone keeps the size of the features of that degree.
        sizes = torch.linalg.matrix_norm(basis.permute(2, 0, 1) * grid.weights, ord=2)
        self.register_buffer("basis", basis / sizes * grid.weights[:, None], persistent=False)
        self.coefficients = nn.Parameter(1 + 0.3 * torch.randn(degree + 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, O, C) to (N, O, C)."""
        kernel = self.basis.to(x) @ self.coefficients  # (O, O, C)
        return orientation_convolution(x, kernel)


class ChannelMixing(nn.Module):
    """LayerNorm, Linear to `widening` times the channels, GELU, Linear back: each node and orientation by itself."""

    def __init__(self, channels: int, widening: int, layer_scale: float | None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.up, self.down = nn.Linear(channels, widening * channels), nn.Linear(widening * channels, channels)
        self.scale = None if layer_scale is None else nn.Parameter(torch.full((channels,), layer_scale))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(..., C) to (..., C); bias (C,) is added before the norm."""
        scale = self.norm.weight.new_ones(()) if self.scale is None else self.scale[:, None]
        down, bias = self.down.weight * scale, self.down.bias * scale.flatten()
        rows = x.reshape(-1, x.shape[-1])
        y = channel_mixing(rows, bias, self.norm.weight, self.norm.bias, self.up.weight, self.up.bias, down, bias)
        return y.view(x.shape)


class Block(nn.Module):
    """x + mixing(orientation convolution(spatial convolution(x))), after Liu et al., "A ConvNet for the 2020s"
    (2022)."""

    def __init__(
        self, grid: OrientationGrid, channels: int, widening: int, layer_scale: float | None, degree: int
    ) -> None:
        super().__init__()
        self.turn = OrientationConvolution(grid, channels, degree)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.mix = ChannelMixing(channels, widening, layer_scale)

    def forward(
        self,
        x: Tensor,
        profiles: Tensor,
        weights: Tensor,
        graph: Graph,
        transport: Tensor | None,
        project: Tensor | None,
    ) -> Tensor:
        """x (N, O, C), profiles (E, O, P), weights (K, P, C).

        transport (E, O, O) brings a sender's features to the receiver's orientations where grids differ from node to
        node; project (O, O) takes from what is added all that the grid cannot integrate.
        """
        y = self.mix(self.turn(spatial_convolution(x, profiles, weights, graph, transport)), self.bias)
        return x + (y if project is None else project @ y)


def spatial_convolution(
    x: Tensor, profiles: Tensor, weights: Tensor, graph: Graph, transport: Tensor | None = None
) -> Tensor:
    """x'[i, o, c] = sum over edges j -> i of sum_p profiles[e, o, p] weights[rows[e], p, c] x[j, o, c], (N, O, C)."""
    if transport is None:
        return fiber_convolution(x, weights, profiles, graph.groups)
    return fiber_convolution(transport @ x[graph.senders], weights, profiles, graph.groups_of_edges)
