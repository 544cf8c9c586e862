"""How equivariant each choice is, untrained and trained, in float64 and float32, and what a step costs."""

from typing import Any

import torch
from common import in_own_process, measure, print_table

from geokit.equivariant import position_orientation as po
from geokit.equivariant.graph_measure import graph_equivariance_error

CHOICES = {
    "cloud, octahedral 6": ("cloud", "octahedral"),
    "cloud, cubic 8": ("cloud", "cubic"),
    "cloud, icosahedral 12": ("cloud", "icosahedral"),
    "cloud, dodecahedral 20": ("cloud", "dodecahedral"),
    "node, icosahedral 12": ("node", "icosahedral"),
    "data": ("data", None),
    "fixed, icosahedral 12": ("fixed", "icosahedral"),
    "fixed, Fibonacci 12": ("fixed", 12),
    "fixed, Fibonacci 20": ("fixed", 20),
    "random, icosahedral 12": ("random", "icosahedral"),
    "steerable, 18 of degree 5": ("steerable", -5),
    "steerable, 50 of degree 9": ("steerable", -9),
    "steerable, 200 of degree 19": ("steerable", -19),
}


def grid(chosen: str | int | None) -> po.OrientationGrid | None:
    if chosen is None:
        return None
    if isinstance(chosen, str):
        return po.grid(chosen)
    return po.fibonacci(chosen) if chosen > 0 else po.product(-chosen)


def row(name: str) -> dict[str, Any]:
    """20 clouds of 5 bodies with velocities and charges; 40 steps of training on random targets that turn with the
    clouds."""
    torch.manual_seed(0)
    equivariance, chosen = CHOICES[name]
    net = po.PositionOrientationNet(
        orientations=grid(chosen),
        in_scalars=1,
        in_vectors=1,
        hidden=32,
        layers=3,
        out_scalars=1,
        out_vectors=1,
        equivariance=equivariance,
        neighbors=5,
    )
    batch = torch.arange(20).repeat_interleave(5)
    x, v, s = torch.randn(100, 3), torch.randn(100, 1, 3), torch.randn(100, 1)
    inputs = {"positions": x, "edges": po.complete_edges(batch), "scalars": s, "vectors": v, "batch": batch}
    result: dict[str, Any] = {"orientations": name}

    def errors(state: str) -> None:
        net.eval()
        for dtype in (torch.float64, torch.float32):
            cast = {k: t.to(dtype) if t.is_floating_point() else t for k, t in inputs.items()}
            generator = torch.Generator().manual_seed(0)
            found = graph_equivariance_error(net.to(dtype), **cast, count=50, generator=generator)
            short = "64" if dtype == torch.float64 else "32"
            result[f"{state} {short}: scalars"], result[f"{state} {short}: vectors"] = found.scalars, found.vectors
        net.train()

    errors("new")
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    target = torch.linalg.cross(x, v[:, 0]) * s

    def step() -> None:
        optimizer.zero_grad()
        scalars, vectors = net(**inputs)
        ((scalars[:, 0] - target.norm(dim=1)) ** 2 + ((vectors[:, 0] - x * s) ** 2).sum(1)).mean().backward()
        optimizer.step()

    for _ in range(40):
        step()
    errors("trained")
    result["step ms"] = 1e3 * measure(step, 9).cpu
    return result


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(row, name) for name in CHOICES]
    shown = [{k: v for k, v in r.items() if not k.startswith("new 32")} for r in rows]
    print_table("Relative errors under 50 random motions, reflections and permutations", shown)
    return rows
