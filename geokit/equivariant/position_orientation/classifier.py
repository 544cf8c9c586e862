"""A classifier of clouds of points that no rotation confuses: position-orientation blocks, then two poolings."""

import torch
from torch import Tensor, nn

from geokit.backend.checks import check_tensor
from geokit.equivariant.frames import principal_frames
from geokit.equivariant.position_orientation.convolution import Block, OrientationConvolution
from geokit.equivariant.position_orientation.graph import Graph, nearest_edges
from geokit.equivariant.position_orientation.harmonics import zonal
from geokit.equivariant.position_orientation.orientations import OrientationGrid, grid
from geokit.equivariant.position_orientation.radial import RadialEmbedding

_DEGREE, _RADIAL = 3, 3  # of the kernels' polynomials of the angle, and how many of the distance


class PointClassifier(nn.Module):
    """Clouds (B, N, 3), centred and of size one, to scores (B, classes): the same when a cloud is rotated or mirrored.

    Features live on every point and every orientation of a grid that stands on the cloud's principal axes. A point
    begins with its height and its distance from the axis along each orientation, and hears its nearest `neighbors`
    points through kernels of the distance and the angle to the orientation. Pooling over the points, by mean and
    maximum, leaves a function on the sphere; pooling that over the orientations, after a convolution, leaves what no
    rotation changes: the signs of the axes only permute orientations.
    """

    points: Tensor

    def __init__(
        self,
        classes: int,
        points: int,
        neighbors: int = 16,
        hidden: int = 32,
        layers: int = 2,
        width: int = 96,
        orientations: OrientationGrid | None = None,
    ) -> None:
        super().__init__()
        chosen = grid("octahedral") if orientations is None else orientations
        turns = chosen.resolution - 1
        self.neighbors = neighbors
        self.register_buffer("points", chosen.points.float(), persistent=False)
        spacing = (neighbors / points) ** 0.5  # a surface of size one, shared out among its points
        self.radial = RadialEmbedding(3, spacing, None, 0, _RADIAL)
        functions = (_DEGREE + 1) * _RADIAL
        self.kernels = nn.Parameter(torch.randn(layers, 1, functions, hidden) / (functions * neighbors) ** 0.5)
        self.lift = nn.Sequential(*_layer(3, hidden), nn.Linear(hidden, hidden))
        self.blocks = nn.ModuleList(Block(chosen, hidden, 2, None, turns) for _ in range(layers))
        self.widen = nn.Sequential(_Norm(hidden), *_layer(hidden, width))
        self.turn = OrientationConvolution(chosen, 2 * width, turns)
        self.mix = nn.Sequential(*_layer(2 * width, 2 * width), *_layer(2 * width, 2 * width))
        self.head = nn.Sequential(*_layer(4 * width, width), nn.Dropout(0.3), nn.Linear(width, classes))

    def forward(self, points: Tensor) -> Tensor:
        """Scores of clouds (B, N, 3). Raises InvalidInput for another shape or dtype than the weights'."""
        check_tensor("points", points, ("B", "N", 3), self.kernels.dtype)
        clouds, count = points.shape[:2]
        axes, _ = principal_frames(points.mT @ points / count)
        positions = (points @ axes).flatten(0, 1)
        batch = torch.arange(clouds, device=points.device).repeat_interleave(count)
        graph = Graph.from_edges(nearest_edges(positions, self.neighbors - 1, batch), batch, clouds, "all")
        height = positions @ self.points.T
        distance = positions.norm(dim=1, keepdim=True).expand_as(height)
        across = (distance.square() - height.square()).clamp(min=0).sqrt()
        x = self.lift(torch.stack([height, across, distance], -1))
        profiles = self._profiles(positions[graph.senders] - positions[graph.receivers])
        for block, weights in zip(self.blocks, self.kernels):
            x = block(x, profiles, weights, graph, None, None)
        x = self.widen(x).view(clouds, count, len(self.points), -1)
        x = self.mix(self.turn(_pooled(x)))
        return self.head(_pooled(x))

    def _profiles(self, displacements: Tensor) -> Tensor:
        """(E, O, functions) of displacements (E, 3): polynomials of the angle times ones of the length."""
        length = displacements.norm(dim=1)
        cosines = displacements @ self.points.T / length.clamp(min=1e-9)[:, None]
        angular, radial = zonal(3, _DEGREE, cosines), self.radial(length)
        return (angular[..., None] * radial[:, None, None]).flatten(2)


class _Norm(nn.BatchNorm1d):
    """Batch normalization of the last axis, whatever comes before it."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.flatten(0, -2)).view_as(features)


def _layer(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Linear(before, after, bias=False), _Norm(after), nn.ReLU()


def _pooled(features: Tensor) -> Tensor:
    """(B, ..., 2 C) mean and maximum of (B, N, ..., C) over N."""
    return torch.cat([features.mean(1), features.amax(1)], -1)
