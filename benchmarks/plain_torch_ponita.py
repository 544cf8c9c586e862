"""Position-orientation message passing in plain torch, as published: the peer of benchmarks/position_orientation.py.

The network of Bekkers et al. (ICLR 2024) written down directly: the kernel of every edge and orientation comes out of a
network of its invariants, is stored, multiplied with the gathered features and summed at the receivers.
"""

import torch
from torch import Tensor, nn


class PlainPonita(nn.Module):
    """positions (N, 3), edges (2, E), scalars (N, S), vectors (N, V, 3), grid (O, 3) to a scalar (N, 1) and a vector
    (N, 3)."""

    def __init__(
        self, grid: Tensor, scalars: int, vectors: int, hidden: int, basis: int, layers: int, widening: int = 4
    ):
        super().__init__()
        self.register_buffer("grid", grid.float())
        self.space = nn.Sequential(
            Polynomials(3), nn.Linear(14, hidden), nn.GELU(), nn.Linear(hidden, basis), nn.GELU()
        )
        self.sphere = nn.Sequential(
            Polynomials(3), nn.Linear(3, hidden), nn.GELU(), nn.Linear(hidden, basis), nn.GELU()
        )
        self.lift = nn.Linear(scalars + vectors, hidden, bias=False)
        self.blocks = nn.ModuleList(Block(hidden, basis, widening) for _ in range(layers))
        self.heads = nn.ModuleList(nn.Linear(hidden, 2) for _ in range(layers))

    def forward(self, positions: Tensor, edges: Tensor, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        o, (senders, receivers) = self.grid, edges
        r = (positions[senders] - positions[receivers])[:, None]
        along = (r * o).sum(-1, keepdim=True)
        across = (r - along * o).norm(dim=-1, keepdim=True)
        space = self.space(torch.cat([along, across], -1))  # (E, O, basis)
        sphere = self.sphere((o @ o.T)[..., None])  # (O, O, basis)
        lifted = torch.einsum("nvi,oi->nov", vectors, o)
        x = self.lift(torch.cat([scalars[:, None].expand(-1, len(o), -1), lifted], -1))
        total = 0
        for block, head in zip(self.blocks, self.heads):
            x = block(x, space, sphere, senders, receivers)
            total = total + head(x)
        total = total / len(self.blocks)
        return total[..., :1].mean(1), (total[..., 1:] * o).mean(1)


class Block(nn.Module):
    def __init__(self, hidden: int, basis: int, widening: int):
        super().__init__()
        self.space, self.sphere = nn.Linear(basis, hidden, bias=False), nn.Linear(basis, hidden, bias=False)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.norm = nn.LayerNorm(hidden)
        self.mix = nn.Sequential(nn.Linear(hidden, widening * hidden), nn.GELU(), nn.Linear(widening * hidden, hidden))
        self.scale = nn.Parameter(torch.full((hidden,), 1e-6))

    def forward(self, x: Tensor, space: Tensor, sphere: Tensor, senders: Tensor, receivers: Tensor) -> Tensor:
        messages = self.space(space) * x[senders]
        y = torch.zeros_like(x).index_add(0, receivers, messages)
        y = torch.einsum("noc,poc->npc", y, self.sphere(sphere)) / x.shape[1] + self.bias
        return x + self.scale * self.mix(self.norm(y))


class Polynomials(nn.Module):
    """All monomials of degree 1 to `degree`, each as often as its factors can be ordered, as published."""

    def __init__(self, degree: int):
        super().__init__()
        self.degree = degree

    def forward(self, x: Tensor) -> Tensor:
        powers = [x]
        for _ in range(1, self.degree):
            powers.append((powers[-1][..., :, None] * x[..., None, :]).flatten(-2))
        return torch.cat(powers, -1)
