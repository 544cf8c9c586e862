"""Time and memory of a training step against the number of edges, to a million: k = 16 neighbours, 12 orientations,
one thread."""

import time
from typing import Any

import torch
from common import in_own_process, peak_memory, print_table

from geokit.equivariant import position_orientation as po

NODES = (1024, 4096, 16384, 65536)


def row(nodes: int) -> dict[str, Any]:
    torch.manual_seed(0)
    x = torch.rand(nodes, 3) * nodes ** (1 / 3)
    start = time.process_time()
    graph = po.Graph.from_edges(po.nearest_edges(x, 16, loops=False), torch.zeros(nodes, dtype=torch.int64))
    built = time.process_time() - start
    net = po.PositionOrientationNet(in_scalars=1, hidden=32, layers=2, out_scalars=1, equivariance="fixed", length=1.2)
    before = peak_memory()
    start = time.process_time()
    net(x, graph, torch.ones(nodes, 1))[0].sum().backward()
    seconds = time.process_time() - start
    return {
        "nodes": nodes,
        "edges": len(graph),
        "graph s": built,
        "step s": seconds,
        "step us an edge": 1e6 * seconds / len(graph),
        "bytes an edge": (peak_memory() - before) * 2**20 / len(graph),
    }


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(row, nodes) for nodes in NODES]
    print_table("Cost against edges (2 layers, 32 channels)", rows)
    return rows
