"""One training step of the same shape of network: plain torch as published, and ours; CPU seconds and memory, one
thread."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import in_own_process, peak_memory, print_table
from plain_torch_ponita import PlainPonita
from torch import Tensor, nn

from geokit.equivariant import position_orientation as po

ROUNDS = 9
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
        kernel_features=settings["basis"] if kernel == "polynomial" else settings["hidden"],
        layer_scale=1e-6,
    )


def step_of(case: str, who: str) -> Callable[[bool], None]:
    """A function that runs the network forward and, if told so, back."""
    net = network(case, who)
    x, edges, scalars, vectors, batch = inputs(case)
    graph: Tensor | po.Graph = edges
    if who in OURS:  # the graph is the data's, made once
        graph = po.Graph.from_edges(edges, batch, share="all" if OURS[who][0] == "polynomial" else "pairs")

    def step(back: bool) -> None:
        with torch.set_grad_enabled(back):
            s, v = net(x, graph, scalars, vectors)
            if back:
                (s.sum() + (v**2).sum()).backward()

    return step


def memory(case: str, who: str) -> float:
    """What a step adds to what was there before it, in MB."""
    step, before = step_of(case, who), peak_memory()
    step(True)
    return peak_memory() - before


def times(case: str) -> dict[str, tuple[int, float, float]]:
    """Parameters and milliseconds, forward and a step: medians of rounds in which all take turns, so that a machine
    that slows down slows all of them."""
    steps = {who: step_of(case, who) for who in ("plain torch", *OURS)}
    taken: dict[tuple[str, bool], list[float]] = {(who, back): [] for who in steps for back in (False, True)}
    for count in range(ROUNDS + 1):
        for (who, back), seconds in taken.items():
            start = time.process_time()
            steps[who](back)
            if count:
                seconds.append(time.process_time() - start)
    median = {key: 1e3 * statistics.median(seconds) for key, seconds in taken.items()}
    size = {who: sum(p.numel() for p in network(case, who).parameters()) for who in steps}
    return {who: (size[who], median[who, False], median[who, True]) for who in steps}


def section() -> dict[str, Any]:
    results = {}
    for case in CASES:
        found = in_own_process(times, case)
        megabytes = {who: in_own_process(memory, case, who) for who in found}
        plain = found["plain torch"][2], megabytes["plain torch"]
        rows = [
            {
                "network": who,
                "parameters": size,
                "forward ms": forward,
                "step ms": step,
                "faster": plain[0] / step,
                "MB": megabytes[who],
                "memory": megabytes[who] / plain[1],
            }
            for who, (size, forward, step) in found.items()
        ]
        print_table(case, rows, "step: forward and backward; MB: taken by it; faster, memory: beside plain torch")
        results[case] = rows
    return results
