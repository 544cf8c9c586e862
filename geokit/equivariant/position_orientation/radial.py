"""How a kernel sees a distance: bounded smooth functions of it, and the window that ends it."""

import torch
from torch import Tensor, nn


class RadialEmbedding(nn.Module):
    """Chebyshev polynomials of a distance brought to [-1, 1], beside scalars of the edge.

    Without a cut-off the variable is r / (r + length), for any distance; with one it is r / cutoff, and `window` falls
    smoothly to 0 there, with two derivatives (Gasteiger et al., "Directional Message Passing", 2020, eq. 8, p = 6).
    length is the typical distance of neighbours in the unit of the positions.
    """

    def __init__(self, dim: int, length: float, cutoff: float | None, edge_scalars: int, count: int = 8) -> None:
        super().__init__()
        self.dim, self.length, self.cutoff, self.edge_scalars, self.count = dim, length, cutoff, edge_scalars, count

    @property
    def features(self) -> int:
        """How many numbers `forward` gives for an edge."""
        return self.count + self.edge_scalars

    def forward(self, distances: Tensor, edge_scalars: Tensor | None = None) -> Tensor:
        """(K, features) of distances (K,) and edge scalars (K, S)."""
        scaled = (
            distances / (distances + self.length) if self.cutoff is None else (distances / self.cutoff).clamp(max=1)
        )
        x = 2 * scaled - 1
        values = [torch.ones_like(x), x]
        while len(values) < self.count:
            values.append(2 * x * values[-1] - values[-2])
        embedded = torch.stack(values, -1)
        return embedded if edge_scalars is None else torch.cat([embedded, edge_scalars], -1)

    def window(self, distances: Tensor) -> Tensor:
        """(K,) in [0, 1]: 1 without a cut-off."""
        if self.cutoff is None:
            return torch.ones_like(distances)
        x = (distances / self.cutoff).clamp(max=1)
        return 1 - x**6 * (28 - 48 * x + 21 * x**2)
