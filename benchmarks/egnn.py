"""EGNN (Satorras et al., "E(n) Equivariant Graph Neural Networks", 2021) for the N-body benchmark: a peer, in plain
torch.

As published: 4 layers of 64 channels, fully connected, velocities, edge attributes q_i q_j, node input |v|. With
`extras` it gets what geokit's network has besides its orientations: centred velocities, Coulomb features on the
edges, the residual target x + v.
"""

import itertools

import torch
from torch import Tensor, nn


def mlp(*sizes: int, last: bool = False) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        parts += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*(parts if last else parts[:-1]))


class Layer(nn.Module):
    def __init__(self, hidden: int, attributes: int):
        super().__init__()
        self.edge = mlp(2 * hidden + 1 + attributes, hidden, hidden, last=True)
        self.node = mlp(2 * hidden, hidden, hidden)
        self.coordinate = mlp(hidden, hidden, 1)
        nn.init.xavier_uniform_(self.coordinate[-1].weight, gain=0.001)
        self.velocity = mlp(hidden, hidden, 1)

    def forward(self, h: Tensor, x: Tensor, v: Tensor, attributes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, n, C), x and v (B, n, 3), attributes (B, n, n, A), others (n, n - 1): whom each body hears."""
        n = x.shape[1]
        rows = torch.arange(n)[:, None]
        r = x[:, :, None] - x[:, others]
        squared = (r**2).sum(-1, keepdim=True)
        mine = h[:, :, None].expand(-1, -1, n - 1, -1)
        m = self.edge(torch.cat([mine, h[:, others], squared, attributes[:, rows, others]], -1))
        x = x + (r * self.coordinate(m)).mean(2) + self.velocity(h) * v
        return h + self.node(torch.cat([h, m.sum(2)], -1)), x


class EGNN(nn.Module):
    """Positions, velocities (B, n, 3) and charges (B, n) to positions."""

    def __init__(self, hidden: int = 64, layers: int = 4, extras: bool = False):
        super().__init__()
        self.extras = extras
        self.embed = nn.Linear(1, hidden)
        self.layers = nn.ModuleList(Layer(hidden, 4 if extras else 2) for _ in range(layers))

    def forward(self, x: Tensor, v: Tensor, q: Tensor) -> Tensor:
        n = x.shape[1]
        others = torch.tensor([[j for j in range(n) if j != i] for i in range(n)])
        products = (q[:, :, None] * q[:, None, :])[..., None]
        squared = ((x[:, :, None] - x[:, None]) ** 2).sum(-1, keepdim=True)
        parts = [products, squared]
        drift = v.mean(1, keepdim=True) if self.extras else 0
        v = v - drift
        if self.extras:
            coulomb = products / (squared + 0.09)
            parts += [coulomb, coulomb * squared.sqrt()]
        attributes = torch.cat(parts, -1)
        h = self.embed(v.norm(dim=-1, keepdim=True))
        for layer in self.layers:
            h, x = layer(h, x, v, attributes, others)
        return x + v + drift if self.extras else x
