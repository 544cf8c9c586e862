"""Message passing on orientations that the data gives: exactly equivariant, without a grid and without a frame.

A node's orientations are the directions to the nodes it hears and its own vectors. Features live on these, that is on
edges e = (j -> i), with orientation o_e = (x_j - x_i) / |.|, and on loops (i, v) with orientation v / |v|. Every
number that enters is a dot product, so that each layer is equivariant to E(n) up to rounding whatever its weights;
the orientations are smooth in the positions (short vectors become short orientations), so that nothing jumps where
two nodes meet or a vector vanishes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geokit.backend.fiber_ops import fiber_convolution
from geokit.backend.graph_ops import EdgeGroups, edge_groups, group_edges
from geokit.equivariant.position_orientation.harmonics import zonal
from geokit.equivariant.position_orientation.radial import RadialEmbedding

SOFT = 0.1  # of the typical length: vectors shorter than this have orientations shorter than 1


@dataclass(frozen=True)
class DirectionGraph:
    """E edges between nodes and, behind them, V loops for each of N nodes; E + N V slots in all, each with an
    orientation.

    senders, receivers (E + N V,) int64, the loops of vector 0 first; kept (E,) int64 says which of the given edges
    they are, those that were loops themselves being left out. `across` joins every slot e = (j -> i) with the slots
    of its sender j, `within` with those of its receiver i; both name pairs (from, to) of slots.
    """

    senders: Tensor
    receivers: Tensor
    kept: Tensor
    across: "Pairs"
    within: "Pairs"

    @staticmethod
    def from_edges(edges: Tensor, nodes: int, vectors: int) -> "DirectionGraph":
        """Of edges (2, E) int64 (senders, receivers)."""
        kept = (edges[0] != edges[1]).nonzero()[:, 0]
        edges = edges[:, kept]
        loops = torch.arange(nodes, device=edges.device).repeat(vectors)
        senders, receivers = torch.cat([edges, torch.stack([loops, loops])], 1)
        offsets, order = group_edges(receivers, nodes, "receivers")
        across = _slots_of(senders, offsets, order)
        within = _slots_of(receivers, offsets, order)
        count = len(senders)
        return DirectionGraph(
            senders,
            receivers,
            kept,
            Pairs(
                across[1], across[0], edge_groups(across[1], across[0], torch.zeros_like(across[0]), count, count, 1)
            ),
            Pairs(within[0], within[1], edge_groups(within[0], within[1], within[0], count, count, count)),
        )


@dataclass(frozen=True)
class Pairs:
    """T pairs of slots (T,) int64: `senders` speak to `receivers`, and the same as groups for the fused operator."""

    senders: Tensor
    receivers: Tensor
    groups: EdgeGroups


@dataclass(frozen=True)
class Geometry:
    """What a layer knows of where everything is: orientations (S, n) and invariants (S, D) of the slots, and the
    angles' harmonics of both kinds of pairs, (T, 1, degree + 1)."""

    orientations: Tensor
    spokes: Tensor  # (S, n): the orientations of edges, the vectors themselves of loops
    invariants: Tensor
    across: Tensor
    within: Tensor
    window: Tensor | None  # (S, 1): what is left of an edge so near to the cut-off, 1 for loops


class Surveyor(nn.Module):
    """Positions, vectors and scalars of edges to a `Geometry`."""

    def __init__(self, embedding: RadialEmbedding, vectors: int, degree: int) -> None:
        super().__init__()
        self.embedding, self.vectors, self.degree = embedding, vectors, degree

    @property
    def features(self) -> int:
        """How many invariants a slot has."""
        return self.embedding.features + 2 * self.embedding.edge_scalars + 3 * self.vectors + self.vectors

    def forward(
        self, graph: DirectionGraph, positions: Tensor, vectors: Tensor, edge_scalars: Tensor | None
    ) -> Geometry:
        """positions (N, n), vectors (N, V, n), edge_scalars (E, S) of the edges without loops."""
        edges, nodes = len(graph.kept), len(positions)
        i, j = graph.receivers, graph.senders
        ends = [positions.index_select(0, side[:edges]) for side in (j, i)]
        spokes = torch.cat([ends[0] - ends[1], vectors.transpose(0, 1).flatten(0, 1)])
        squared = (spokes**2).sum(-1, keepdim=True)
        soft = (SOFT * self.embedding.length) ** 2
        orientations = spokes * (squared + soft).rsqrt()
        distances = (squared[:, 0] + 1e-4 * soft).sqrt()

        scalars = None
        if edge_scalars is not None:
            scalars = torch.cat([edge_scalars, edge_scalars.new_zeros(len(i) - edges, edge_scalars.shape[1])])
        parts = [self.embedding(distances, scalars)]
        if scalars is not None:  # as the strength of a pair's potential and force
            inverse = 1 / (squared / self.embedding.length**2 + 0.09)
            parts += [scalars * inverse, scalars * inverse * distances[:, None] / self.embedding.length]
        mine, theirs = vectors.index_select(0, i), vectors.index_select(0, j)
        parts += [(v @ orientations[..., None])[..., 0] for v in (mine, theirs)] + [(mine * theirs).sum(-1)]
        loop = torch.eye(self.vectors + 1, dtype=spokes.dtype, device=spokes.device)[:, 1:]
        parts.append(loop.repeat_interleave(torch.tensor([edges] + [nodes] * self.vectors, device=spokes.device), 0))
        return Geometry(
            orientations,
            torch.cat([orientations[:edges], spokes[edges:]]),
            torch.cat(parts, -1),
            self._harmonics(orientations, graph.across, -1),
            self._harmonics(orientations, graph.within, 1),
            self._window(distances, edges),
        )

    def _window(self, distances: Tensor, edges: int) -> Tensor | None:
        if self.embedding.cutoff is None:
            return None
        window = self.embedding.window(distances[:edges])
        return torch.cat([window, window.new_ones(len(distances) - edges)])[:, None]

    def _harmonics(self, orientations: Tensor, pairs: Pairs, sign: int) -> Tensor:
        a, b = (orientations.index_select(0, side) for side in (pairs.senders, pairs.receivers))
        squared = (a**2).sum(-1) * (b**2).sum(-1)
        return zonal(orientations.shape[1], self.degree, sign * (a * b).sum(-1), squared)[:, None]


class DirectionalLayer(nn.Module):
    """f_q + mixing(sum_e sum_l Z_l(o_e . o_q) g_l(e) sum_p sum_l Z_l(-o_e . o_p) w_l f_p) for slots q of a node, its
    slots e and the slots p of their senders: a function on the sphere around each sender, evaluated towards the
    receiver, travels along the edge and is spread over the sphere around the receiver."""

    def __init__(
        self, channels: int, invariants: int, degree: int, hidden: int, widening: int, neighbors: float
    ) -> None:
        super().__init__()
        count = degree + 1
        self.count, self.scale = count, (neighbors + 1) ** -0.5
        self.turn = nn.Parameter(torch.randn(1, count, channels) * self.scale)
        self.radial = nn.Sequential(nn.Linear(invariants, hidden), nn.SiLU(), nn.Linear(hidden, count * channels))
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels + invariants, widening * channels)
        self.down = nn.Linear(widening * channels, channels)

    def forward(self, f: Tensor, graph: DirectionGraph, geometry: Geometry) -> Tensor:
        """Features (S, C) of the slots to features (S, C)."""
        heard = f if geometry.window is None else f * geometry.window
        y = fiber_convolution(heard[:, None], self.turn, geometry.across, graph.across.groups)
        weights = self.radial(geometry.invariants)
        weights = (weights if geometry.window is None else weights * geometry.window).unflatten(-1, (self.count, -1))
        y = fiber_convolution(y, weights, geometry.within, graph.within.groups)
        y = self.norm(y[:, 0])
        y = torch.cat([y, geometry.invariants], -1)
        return f + self.down(nn.functional.silu(self.up(y)))


def _slots_of(nodes: Tensor, offsets: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs (e, p) of an element e with a node and a slot p that this node owns, (T,) each."""
    counts = offsets.diff()[nodes]
    left = torch.arange(len(nodes), device=nodes.device).repeat_interleave(counts)
    place = torch.arange(len(left), device=nodes.device) - (counts.cumsum(0) - counts)[left]
    return left, order[offsets[nodes[left]] + place]
