"""A small network on clouds: trained upright, asked about clouds that are turned."""

import math

import torch
from torch import nn

from geokit.equivariant.lie import SO, sample_set
from geokit.equivariant.lie.point_layers import PointGroupConvolution, PointLifting
from geokit.equivariant.lie.points import invariant_readout, neighborhood


def shape_clouds(count: int, points: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(count, points, 2) noisy samples of a circle, a cross or a chevron, and which one it is, (count,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=generator)
    t = torch.rand(count, points, generator=generator) * 2 - 1
    zero, arm = torch.zeros_like(t), torch.rand(count, points, 1, generator=generator) < 0.5
    circle = 0.7 * torch.stack([torch.cos(math.pi * t), torch.sin(math.pi * t)], -1)
    cross = torch.where(arm, torch.stack([t, zero], -1), torch.stack([zero, t], -1))
    chevron = torch.stack([t, t.abs() - 0.5], -1)
    x = torch.stack([circle, cross, chevron], 1)[torch.arange(count), labels]
    return x + 0.03 * torch.randn(x.shape, generator=generator), labels


class Classifier(nn.Module):
    """Two layers with batch norms: with a constant input feature a layer norm would see little but that constant."""

    def __init__(self, group, classes):
        super().__init__()
        options = {"hidden": 16, "neighbors": 10, "omega": 8.0}
        self.lift = PointLifting(group, 1, 16, form="dense", **options)
        self.conv = PointGroupConvolution(group, 16, 16, **options)
        self.norms = nn.ModuleList(nn.BatchNorm1d(16, momentum=0.3) for _ in range(3))
        self.head = nn.Linear(16, classes)

    def forward(self, x, samples):
        batch = torch.arange(len(x)).repeat_interleave(x.shape[1])
        cloud = neighborhood(x.flatten(0, 1), samples, 0.7, batch, weights=x.new_full((len(batch),), 0.1))

        def activated(norm, y):
            return nn.functional.gelu(norm(y.flatten(0, 1)).view_as(y))

        y = activated(self.norms[0], self.lift(torch.ones(len(cloud), 1), cloud, samples))
        y = y + activated(self.norms[1], self.conv(y, cloud, samples))
        return self.head(self.norms[2](invariant_readout(y, cloud, samples)))


def test_learns_shapes_upright_and_knows_them_turned():
    torch.manual_seed(0)
    group, samples, steps = SO(2), sample_set(SO(2), 6), 30
    net = Classifier(group, 3)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    x, labels = shape_clouds(24 * steps, 20, seed=1)
    for batch, wanted in zip(x.split(24), labels.split(24)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(batch, samples), wanted).backward()
        optimizer.step()
        schedule.step()
    net.eval()
    x, labels = shape_clouds(150, 20, seed=2)
    rotations = group.sample(150, generator=torch.Generator().manual_seed(3), dtype=torch.float32)
    with torch.no_grad():
        upright = (net(x, samples).argmax(1) == labels).float().mean().item()
        turned = (net(x @ rotations.mT, samples).argmax(1) == labels).float().mean().item()
    assert upright > 0.85
    assert turned > upright - 0.05
