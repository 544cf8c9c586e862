"""Graphs of nodes in space: which node hears which, grouped once for all layers."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from geokit.backend.checks import check_tensor
from geokit.backend.graph_ops import EdgeGroups, edge_groups
from geokit.equivariant.position_orientation.directional import DirectionGraph
from geokit.errors import InvalidInput
from geokit.geometry import PointTree

SHARES = ("pairs", "symmetric", "none", "all")


@dataclass(frozen=True)
class Graph:
    """E directed edges among N nodes of `clouds` clouds, and what a convolution over them needs to know.

    senders, receivers: (E,) int64, node j speaks to node i. batch: (N,) int64, the cloud of each node. Edges that
    share their distance, as the two directions between two nodes or all self loops, share a row of the kernel: rows
    (E,) int64 and for each of the K rows one of its edges, representatives (K,) int64. groups: the edges by receiver,
    sender and row.
    """

    senders: Tensor
    receivers: Tensor
    batch: Tensor
    clouds: int
    rows: Tensor
    representatives: Tensor
    groups: EdgeGroups
    share: str

    @staticmethod
    def from_edges(edges: Tensor, batch: Tensor, clouds: int | None = None, share: str = "pairs") -> "Graph":
        """The graph of edges (2, E) int64 (senders, receivers), as torch-geometric has them, over nodes with clouds
        (N,).

        share="pairs": one row of the kernel for the two directions between two nodes, and one for all self loops.
        "symmetric": the same, with the promise that scalars of the edges are the same for both, and for all loops.
        "none": one for every edge, for kernels that differ between the directions, and where shapes must not depend
        on the edges' values (torch.compile, torch.export). "all": one row, for kernels that differ by their profiles
        only.
        """
        check_tensor("edges", edges, (2, "E"), torch.int64)
        check_tensor("batch", batch, ("N",), torch.int64)
        senders, receivers = edges[0].contiguous(), edges[1].contiguous()
        nodes, count = len(batch), len(senders)
        if share not in SHARES:
            raise InvalidInput(f"share must be one of {', '.join(SHARES)}, got {share!r}")
        if share in ("pairs", "symmetric"):
            key = torch.minimum(senders, receivers) * nodes + torch.maximum(senders, receivers)
            key = torch.where(senders == receivers, -1, key)
            _, rows = key.unique(return_inverse=True)
            number = int(rows.max()) + 1 if count else 0
            representatives = rows.new_empty(number).index_copy(0, rows, torch.arange(count, device=rows.device))
        elif share == "all":
            number = 1
            rows, representatives = torch.zeros_like(senders), torch.zeros_like(senders[:1])
        else:
            number = count
            rows = representatives = torch.arange(count, device=senders.device)
        groups = edge_groups(senders, receivers, rows, nodes, nodes, number)
        if clouds is None:
            clouds = int(batch.max()) + 1 if nodes else 0
        return Graph(senders, receivers, batch, clouds, rows, representatives, groups, share)

    @property
    def groups_of_edges(self) -> EdgeGroups:
        """The same messages where every edge has a sender of its own: features (E, O, C) that were brought to the
        receivers."""
        own = torch.arange(len(self), device=self.senders.device)
        return edge_groups(own, self.receivers, self.rows, len(self), len(self.batch), len(self.representatives))

    def directions(self, vectors: int) -> DirectionGraph:
        """The slots of a network whose orientations are the data's, for nodes with that many vectors; made once."""
        known: dict[int, DirectionGraph] = self.__dict__.setdefault("_directions", {})
        if vectors not in known:
            known[vectors] = DirectionGraph.from_edges(
                torch.stack([self.senders, self.receivers]), len(self.batch), vectors
            )
        return known[vectors]

    def __len__(self) -> int:
        return len(self.senders)

    def __repr__(self) -> str:
        nodes, rows = len(self.batch), len(self.representatives)
        return f"Graph({nodes:,} nodes, {len(self):,} edges, {self.clouds} clouds, {rows:,} kernel rows)"


def nearest_edges(positions: Tensor, k: int, batch: Tensor | None = None, loops: bool = True) -> Tensor:
    """Edges (2, E) int64 from the k nearest other nodes of its cloud to each node, and from itself with `loops`.

    positions (N, n), n = 2 or 3; batch (N,) int64, ascending. Clouds of k nodes or fewer are connected fully.
    """

    def of_cloud(tree: PointTree, start: int) -> Tensor:
        if len(tree) <= k:
            return complete_edges(tree.points.new_zeros(len(tree), dtype=torch.int64), loops=False) + start
        _, indices = tree.nearest(k)
        return torch.stack([indices.flatten(), torch.arange(len(tree)).repeat_interleave(k).to(indices)]) + start

    return _cloud_by_cloud(positions, batch, loops, of_cloud)


def radius_edges(positions: Tensor, radius: float, batch: Tensor | None = None, loops: bool = True) -> Tensor:
    """Edges (2, E) int64 between the nodes of a cloud that are within `radius`, both ways, and from itself with
    `loops`."""

    def of_cloud(tree: PointTree, start: int) -> Tensor:
        offsets, indices, _ = tree.within(radius)
        return torch.stack([indices, torch.arange(len(tree)).to(indices).repeat_interleave(offsets.diff())]) + start

    return _cloud_by_cloud(positions, batch, loops, of_cloud)


def complete_edges(batch: Tensor, loops: bool = True) -> Tensor:
    """Edges (2, E) int64 between all nodes of a cloud, both ways; batch (N,) int64, ascending, numbers the clouds."""
    check_ascending(batch)
    sizes = torch.bincount(batch) if len(batch) else batch
    size = sizes[batch]  # of the cloud of each node
    receivers = torch.arange(len(batch), device=batch.device).repeat_interleave(size)
    firsts = (sizes.cumsum(0) - sizes)[batch].repeat_interleave(size)
    place = torch.arange(len(receivers), device=batch.device) - (size.cumsum(0) - size).repeat_interleave(size)
    edges = torch.stack([firsts + place, receivers])
    return edges if loops else edges[:, edges[0] != edges[1]]


def check_ascending(batch: Tensor) -> None:
    """Raises InvalidInput unless the numbers of the clouds begin at 0 or more and never fall."""
    if len(batch) and (batch[0] < 0 or (batch.diff() < 0).any()):
        raise InvalidInput("batch must number the clouds in ascending order from 0: sort the nodes by cloud")


def _cloud_by_cloud(positions: Tensor, batch: Tensor | None, loops: bool, of_cloud: Any) -> Tensor:
    check_tensor("positions", positions, ("N", "n"))
    if positions.shape[1] not in (2, 3):
        raise InvalidInput(f"positions must be (N, 2) or (N, 3), got {tuple(positions.shape)}")
    nodes = torch.arange(len(positions), device=positions.device)
    batch = torch.zeros_like(nodes) if batch is None else batch
    check_tensor("batch", batch, (len(positions),), torch.int64)
    check_ascending(batch)
    points = torch.nn.functional.pad(positions.detach(), (0, 3 - positions.shape[1]))
    sizes = torch.bincount(batch).tolist() if len(batch) else []
    parts, start = [nodes.new_empty(2, 0)], 0
    for size in sizes:
        if size:
            parts.append(of_cloud(PointTree(points[start : start + size]), start))
        start += size
    return torch.cat([*parts, torch.stack([nodes, nodes])] if loops else parts, 1)
