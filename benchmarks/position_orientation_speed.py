"""One training step of the same shape of network: plain torch as published, and ours; CPU seconds and memory, one
thread."""

from typing import Any

import torch
from common import in_own_process, measure, peak_memory, print_table
from plain_torch_ponita import PlainPonita
from torch import Tensor, nn

from geokit.equivariant import position_orientation as po

CASES = {
    "N-body, 100 x 5 nodes, 20 orientations": {"grid": "dodecahedral", "hidden": 128, "basis": 256, "layers": 5},
    "1,024 points, k = 16, 12 orientations": {"grid": "icosahedral", "hidden": 64, "basis": 64, "layers": 4},
}
# The harmonic kernel with polynomials to degree 3 is the default; "polynomial" is the published kernel with fused sums.
OURS = {
    "ours": ("harmonic", "fixed"),
    "ours, on frames": ("harmonic", "cloud"),
    "ours, published kernel": ("polynomial", "fixed"),
}


def inputs(case: str) -> tuple[Tensor, ...]:
    """Positions, edges, scalars, vectors and cloud numbers."""
    generator = torch.Generator().manual_seed(0)
    if case.startswith("N-body"):
        batch = torch.arange(100).repeat_interleave(5)
        x = torch.randn(500, 3, generator=generator)
        return (
            x,
            po.complete_edges(batch),
            torch.randn(500, 2, generator=generator),
            torch.randn(500, 2, 3, generator=generator),
            batch,
        )
    x = torch.nn.functional.normalize(torch.randn(1024, 3, generator=generator), dim=1)
    edges = po.nearest_edges(x, 16, loops=False)
    return x, edges, torch.ones(1024, 1), torch.zeros(1024, 0, 3), torch.zeros(1024, dtype=torch.int64)


def network(case: str, who: str) -> nn.Module:
    torch.manual_seed(0)
    settings = CASES[case]
    scalars, vectors = (2, 2) if case.startswith("N-body") else (1, 0)
    grid = po.grid(settings["grid"])
    if who not in OURS:
        return PlainPonita(grid.points, scalars, vectors, settings["hidden"], settings["basis"], settings["layers"])
    kernel, equivariance = OURS[who]
    return po.PositionOrientationNet(
        orientations=grid,
        in_scalars=scalars,
        in_vectors=vectors,
        hidden=settings["hidden"],
        layers=settings["layers"],
        out_scalars=1,
        out_vectors=1,
        equivariance=equivariance,
        kernel=kernel,
        kernel_features=settings["basis"],
        layer_scale=1e-6,
    )


def row(case: str, who: str) -> dict[str, Any]:
    """Milliseconds forward and for a step, the memory of a step beyond what was there before it."""
    net = network(case, who)
    x, edges, scalars, vectors, batch = inputs(case)
    arguments = (x, edges, scalars, vectors)
    if who in OURS:  # the graph is the data's, made once
        share = "all" if OURS[who][0] == "polynomial" else "pairs"
        arguments = (x, po.Graph.from_edges(edges, batch, share=share), scalars, vectors)

    def step() -> None:
        s, v = net(*arguments)
        (s.sum() + (v**2).sum()).backward()

    before = peak_memory()
    step()
    memory = peak_memory() - before
    with torch.no_grad():
        forward = measure(lambda: net(*arguments), 7)
    both = measure(step, 7)
    return {
        "network": who,
        "parameters": sum(p.numel() for p in net.parameters()),
        "forward ms": 1e3 * forward.cpu,
        "step ms": 1e3 * both.cpu,
        "MB": memory,
        "peak MB": peak_memory(),
    }


def section() -> dict[str, Any]:
    results = {}
    for case in CASES:
        rows = [in_own_process(row, case, who) for who in ("plain torch", *OURS)]
        for r in rows:
            r["faster"] = rows[0]["step ms"] / r["step ms"]
            r["memory"] = r["MB"] / rows[0]["MB"]
        print_table(case, rows, "step: forward and backward; MB: taken by it; faster, memory: beside plain torch")
        results[case] = rows
    return results
