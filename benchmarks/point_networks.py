"""Plain networks on clouds of points, (B, N, 3) to scores (B, classes): the peers of an equivariant one."""

from itertools import pairwise

import torch
from torch import Tensor, nn


def _shared(*widths: int) -> nn.Sequential:
    """Linear layers with batch normalization over all points, (B, N, C) to (B, N, D)."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after, bias=False), _PointNorm(after), nn.ReLU()]
    return nn.Sequential(*layers)


class _PointNorm(nn.BatchNorm1d):
    """Batch normalization of the last axis, whatever comes before it."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.flatten(0, -2)).view_as(features)


def _head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(_shared(width, 256), nn.Dropout(0.3), nn.Linear(256, classes))


class PointNet(nn.Module):
    """Each point by itself, then the largest value of every feature (Qi et al., CVPR 2017, without the T-nets)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.points, self.head = _shared(3, 64, 64, 128, 512), _head(512, classes)

    def forward(self, points: Tensor) -> Tensor:
        return self.head(self.points(points).amax(1))


class EdgeConvNet(nn.Module):
    """Features of pairs of neighbours (Wang et al., DGCNN, ACM TOG 2019), neighbours are those in space."""

    def __init__(self, classes: int, neighbors: int = 16) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.first, self.second, self.last = _shared(6, 48), _shared(96, 64), _shared(112, 512)
        self.head = _head(512, classes)

    def forward(self, points: Tensor) -> Tensor:
        with torch.no_grad():
            near = torch.cdist(points, points).topk(self.neighbors, largest=False).indices
        features = []
        now = points
        for layer in (self.first, self.second):
            own = now[:, :, None].expand(-1, -1, self.neighbors, -1)
            other = now[torch.arange(len(now))[:, None, None], near]
            now = layer(torch.cat([own, other - own], -1)).amax(2)
            features.append(now)
        return self.head(self.last(torch.cat(features, -1)).amax(1))


class FramePointNet(nn.Module):
    """PointNet on principal axes, averaged over their signs (Puny et al., "Frame Averaging", ICLR 2022)."""

    signs: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = PointNet(classes)
        signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
        self.register_buffer("signs", signs, persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        axes = torch.linalg.eigh(points.mT @ points).eigenvectors
        axes = torch.cat([axes[..., :2], torch.linalg.cross(axes[..., 0], axes[..., 1])[..., None]], -1)
        turned = (points @ axes)[:, None] * self.signs[:, None]
        return self.net(turned.flatten(0, 1)).view(len(points), len(self.signs), -1).mean(1)
