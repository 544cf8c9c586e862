"""A stack of layers over orientations taken from the data; its layers may move positions and vectors as they go."""

import torch
from torch import Tensor, nn

from geokit.equivariant.position_orientation.directional import DirectionalLayer, DirectionGraph, Geometry, Surveyor
from geokit.equivariant.position_orientation.graph import Graph
from geokit.equivariant.position_orientation.radial import RadialEmbedding


class DirectionalBody(nn.Module):
    """Scalars and vectors of nodes to scalars and vectors of nodes over the slots of a `DirectionGraph`.

    With `moving`, each layer adds to every position and vector a combination of the orientations of its node (and to
    the position one of its vectors), and the geometry is surveyed anew: what Satorras et al. (EGNN, 2021) do with
    positions.
    """

    def __init__(
        self,
        embedding: RadialEmbedding,
        *,
        inputs: tuple[int, int],
        outputs: tuple[int, int],
        hidden: int,
        layers: int,
        degree: int,
        kernel_features: int,
        neighbors: float,
        widening: int,
        moving: bool = False,
    ) -> None:
        super().__init__()
        self.outputs, self.moving = outputs, moving
        vectors = max(1, inputs[1])
        self.survey = Surveyor(embedding, vectors, degree)
        features = self.survey.features
        self.embed = nn.Sequential(nn.Linear(features + 2 * inputs[0], hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.layers = nn.ModuleList(
            DirectionalLayer(hidden, features, degree, kernel_features, widening, neighbors) for _ in range(layers)
        )
        self.moves = nn.ModuleList(nn.Linear(hidden, 1 + vectors) for _ in range(layers if moving else 0))
        for parameter in self.moves.parameters():
            nn.init.zeros_(parameter)
        self.drift = nn.Parameter(torch.zeros(layers, vectors)) if moving else None
        self.head = nn.Linear(hidden, sum(outputs)) if sum(outputs) else None

    def forward(
        self, positions: Tensor, scalars: Tensor, vectors: Tensor, graph: Graph, edge_scalars: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """positions (N, n), scalars (N, S), vectors (N, V, n), edge_scalars (E, D) to scalars (N, S') and vectors (N,
        V', n): the mean of a node's features over its slots, and the mean of features times orientations."""
        slots, f, geometry, _, _ = self.run(positions, scalars, vectors, graph, edge_scalars)
        window = f.new_ones(len(f), 1) if geometry.window is None else geometry.window
        s, v = (self.head(f) * window).split(list(self.outputs), -1)  # type: ignore[misc]
        products = v[:, :, None] * geometry.orientations[:, None]
        sums = [
            t.new_zeros(len(positions), *t.shape[1:]).index_add(0, slots.receivers, t) for t in (window, s, products)
        ]
        return sums[1] / sums[0], sums[2] / sums[0][:, :, None]

    def run(
        self, positions: Tensor, scalars: Tensor, vectors: Tensor, graph: Graph, edge_scalars: Tensor | None = None
    ) -> tuple[DirectionGraph, Tensor, Geometry, Tensor, Tensor]:
        """The slots, their features (S, C) and last geometry, and positions (N, n) and vectors (N, V, n) as they
        end."""
        if not vectors.shape[1]:  # one that vanishes: a node without neighbours has a slot too
            vectors = positions.new_zeros(len(positions), 1, positions.shape[1])
        slots = graph.directions(vectors.shape[1])
        if edge_scalars is not None:
            edge_scalars = edge_scalars[slots.kept]
        geometry = self.survey(slots, positions, vectors, edge_scalars)
        ends = torch.cat([scalars[slots.receivers], scalars[slots.senders]], -1)
        f = self.embed(torch.cat([geometry.invariants, ends], -1))
        for index, layer in enumerate(self.layers):
            if index and self.moving:
                geometry = self.survey(slots, positions, vectors, edge_scalars)
            f = layer(f, slots, geometry)
            if self.drift is not None:
                amounts = self.moves[index](f)
                if geometry.window is not None:
                    amounts = amounts * geometry.window
                shifts = amounts[:, :, None] * geometry.spokes[:, None]
                shifts = shifts.new_zeros(len(positions), *shifts.shape[1:]).index_add(0, slots.receivers, shifts)
                vectors = vectors + shifts[:, 1:]
                positions = positions + shifts[:, 0] + torch.einsum("v,nvi->ni", self.drift[index], vectors)
        return slots, f, geometry, positions, vectors
