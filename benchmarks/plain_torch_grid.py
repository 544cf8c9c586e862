"""A hash grid as it is written in plain torch where no extension is at hand: every corner of every level at once."""

import torch
from torch import Tensor, nn


class PlainHashGrid(nn.Module):
    """Levels of as many cells along every axis, each with a table of its own rows; linear interpolation."""

    def __init__(self, dimension: int, cells: list[int], rows: list[int], features: int) -> None:
        super().__init__()
        self.register_buffer("cells", torch.tensor(cells)[:, None])
        self.register_buffer("rows", torch.tensor(rows)[:, None])
        first = torch.tensor([0, *rows[:-1]]).cumsum(0)[:, None]
        self.register_buffer("first", first)
        self.register_buffer("primes", torch.tensor([1, 2654435761, 805459861][:dimension]))
        corners = torch.cartesian_prod(*[torch.arange(2)] * dimension)
        self.register_buffer("corners", corners)
        self.table = nn.Parameter(torch.rand(sum(rows), features) * 2e-4 - 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, L F) of x (N, d) in [0, 1]^d."""
        p = x[:, None] * self.cells  # (N, L, d)
        corner = torch.minimum(p.long(), self.cells - 1)
        t = (p - corner)[:, :, None]  # (N, L, 1, d)
        weight = torch.where(self.corners.bool(), t, 1 - t).prod(-1)
        site = corner[:, :, None] + self.corners
        strides = (self.cells + 1) ** torch.arange(x.shape[1], device=x.device)
        dense = (site * strides[:, None]).sum(-1)
        key = site * self.primes
        hashed = key[..., 0]
        for k in range(1, x.shape[1]):
            hashed = hashed ^ key[..., k]
        fits = (self.cells + 1) ** x.shape[1] <= self.rows
        row = self.first + torch.where(fits, dense, hashed) % self.rows
        return (weight[..., None] * self.table[row]).sum(2).flatten(1)
