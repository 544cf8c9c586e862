"""A hash grid as it is written in plain torch where no extension is at hand: level by level, all corners at once."""

import torch
from torch import Tensor, nn

PRIMES = (1, 2654435761, 805459861)


class PlainHashGrid(nn.Module):
    """Levels of as many cells along every axis, each with a table of its own rows; linear interpolation."""

    def __init__(self, dimension: int, cells: list[int], rows: list[int], features: int) -> None:
        super().__init__()
        self.cells, self.rows = cells, rows
        self.corners = torch.cartesian_prod(*[torch.arange(2)] * dimension)  # (2^d, d)
        self.table = nn.Parameter(torch.rand(sum(rows), features) * 2e-4 - 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, L F) of x (N, d) in [0, 1]^d."""
        tables = self.table.split(self.rows)
        return torch.cat([self.level(x, n, table) for n, table in zip(self.cells, tables)], 1)

    def level(self, x: Tensor, cells: int, table: Tensor) -> Tensor:
        p = x * cells
        corner = p.detach().long().clamp_max(cells - 1)
        t = (p - corner)[:, None]
        weight = torch.where(self.corners.bool(), t, 1 - t).prod(-1)
        site = corner[:, None] + self.corners
        if (cells + 1) ** x.shape[1] <= len(table):
            row = sum(site[..., k] * (cells + 1) ** k for k in range(x.shape[1]))
        else:
            row = site[..., 0]
            for k in range(1, x.shape[1]):
                row = row ^ (site[..., k] * PRIMES[k])
            row = row % len(table)
        return (weight[..., None] * table[row]).sum(1)
