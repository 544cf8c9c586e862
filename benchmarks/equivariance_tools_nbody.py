"""Frame averaging around a small graph network on N-body: test error after a CPU minute, selected on validation."""

import statistics
from typing import Any

import torch
from common import in_own_process, print_table
from egnn import mlp
from position_orientation_nbody import fitted
from torch import Tensor, nn

from geokit.equivariant.frame_averaging import FrameAverage
from geokit.pipelines.train_nbody import equivariance_error

SECONDS, SEEDS = 60.0, (0,)


class GraphNet(nn.Module):
    """Message passing on the complete graph with plain coordinates among its features: no symmetry but the order's."""

    def __init__(self, hidden: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.embed = mlp(8, hidden, hidden)
        self.edges = nn.ModuleList(mlp(2 * hidden + 6, hidden, hidden, last=True) for _ in range(layers))
        self.nodes = nn.ModuleList(mlp(2 * hidden, hidden, hidden) for _ in range(layers))
        self.head = mlp(hidden, hidden, 3)

    def forward(self, x: Tensor, v: Tensor, q: Tensor) -> Tensor:
        """Positions (B, n, 3) about their centre, velocities about their mean, charges (B, n) to positions."""
        n = x.shape[1]
        others = torch.tensor([[j for j in range(n) if j != i] for i in range(n)])
        r = x[:, :, None] - x[:, others]
        squared, products = (r**2).sum(-1, keepdim=True), (q[:, :, None] * q[:, others])[..., None]
        pairs = torch.cat([r, squared, products, products / (squared + 0.09)], -1)
        h = self.embed(torch.cat([x, v, v.norm(dim=-1, keepdim=True), q[..., None]], -1))
        for edge, node in zip(self.edges, self.nodes):
            mine = h[:, :, None].expand(-1, -1, n - 1, -1)
            h = h + node(torch.cat([h, edge(torch.cat([mine, h[:, others], pairs], -1)).sum(2)], -1))
        return x + v + self.head(h)


class Centered(nn.Module):
    """A network of positions, velocities and charges that moves with the centre of mass."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, v: Tensor, q: Tensor) -> Tensor:
        middle, drift = x.mean(1, keepdim=True), v.mean(1, keepdim=True)
        return self.net(x - middle, v - drift, q) + middle + drift


NETWORKS = {
    "graph network": lambda: Centered(GraphNet()),
    "frames, all 8 in training": lambda: Centered(FrameAverage(GraphNet(), group="O", output="points")),
    "frames, one drawn in training": lambda: Centered(
        FrameAverage(GraphNet(), group="O", output="points", training_frames=1)
    ),
}


def trained(name: str, seed: int, seconds: float) -> dict[str, Any]:
    told, net, test = fitted(name, NETWORKS[name], seed, seconds)
    return told | {"equivariance error": equivariance_error(net, test)}


def section() -> list[dict[str, Any]]:
    runs = [in_own_process(trained, name, seed, SECONDS) for name in NETWORKS for seed in SEEDS]
    rows = []
    for name in NETWORKS:
        mine = [run for run in runs if run["network"] == name]
        rows.append(
            {key: mine[0][key] for key in ("network", "parameters", "ms a step", "epochs")}
            | {key: statistics.median(run[key] for run in mine) for key in ("test", "equivariance error")}
        )
    print_table(
        f"N-body after {SECONDS:.0f} CPU seconds, median of seeds {SEEDS}",
        rows,
        "quoted from the papers, after thousands of epochs: FA-GNN 0.0057, EGNN 0.0071, GNN 0.0107",
    )
    return runs
