"""Is my graph network really equivariant? Measured: random motions and permutations, in, against the same, out."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.equivariant.measure import relative_error
from geokit.geometry.rotations import random_rotations

Network = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class GraphEquivarianceError:
    """The worst relative errors found: |f(g x) - g f(x)| / |f(x) - mean f(x)| over the nodes or clouds of one input."""

    scalars: float
    vectors: float

    @property
    def worst(self) -> float:
        """The larger of the two."""
        return max(self.scalars, self.vectors)


@torch.no_grad()
def graph_equivariance_error(
    network: Network,
    positions: Tensor,
    edges: Tensor,
    scalars: Tensor | None = None,
    vectors: Tensor | None = None,
    edge_scalars: Tensor | None = None,
    batch: Tensor | None = None,
    *,
    reflections: bool = True,
    permutations: bool = True,
    count: int = 100,
    shift: float = 3.0,
    generator: torch.Generator | None = None,
) -> GraphEquivarianceError:
    """The worst error of a network with the arguments of `PositionOrientationNet.forward` over `count` random motions.

    Each motion turns, moves by a normal translation of size `shift`, mirrors every other time where `reflections`,
    and numbers the nodes anew where `permutations`. A network that gives one result a cloud (it gives
    as many rows as clouds, not nodes) is compared row by row. In float64 an exactly equivariant one stays below
    1e-10.
    """
    nodes, dim = positions.shape
    scalars_before, vectors_before = network(positions, edges, scalars, vectors, edge_scalars, batch)
    pooled = getattr(network, "pooled", len(scalars_before) != nodes)
    worst = [0.0, 0.0]
    for index in range(count):
        matrix = random_rotations((), dim, generator=generator).to(positions)
        if reflections and index % 2:
            matrix = matrix @ torch.diag(matrix.new_tensor([-1.0] + [1.0] * (dim - 1)))
        move = shift * torch.randn(dim, generator=generator, dtype=torch.float64).to(positions)
        order = torch.randperm(nodes, generator=generator) if permutations else torch.arange(nodes)
        place = torch.empty_like(order).index_copy(0, order, torch.arange(nodes))
        order, place = order.to(edges.device), place.to(edges.device)
        after = network(
            (positions @ matrix.T + move)[order],
            place[edges],
            None if scalars is None else scalars[order],
            None if vectors is None else (vectors @ matrix.T)[order],
            edge_scalars,
            None if batch is None else batch[order],
        )
        rows = slice(None) if pooled else order
        for i, (got, want) in enumerate(zip(after, (scalars_before[rows], vectors_before[rows] @ matrix.T))):
            if want.numel():
                worst[i] = max(worst[i], relative_error(got, want, (0,)))
    return GraphEquivarianceError(*worst)
