"""Every kernel alone: least squares on a chirp and on an oriented Gabor patch, with equal parameters."""

import math
import statistics
import time
from functools import cache
from itertools import product
from typing import Any

import torch
from common import in_own_process, print_table
from torch import Tensor

from geokit.equivariant.lie.kernels import KERNELS, KernelNetwork, make_kernel

PARAMETERS, STEPS = 1200, 400


def chirp() -> tuple[Tensor, Tensor]:
    """A sine whose frequency climbs from 1 to 13 periods a unit, at 512 places."""
    t = torch.linspace(-1, 1, 512)
    return t[:, None], torch.sin(2 * math.pi * (7 * t + 3 * t**2))[:, None]


def patch() -> tuple[Tensor, Tensor]:
    """A wave of 6 periods a unit at 30 degrees under a Gaussian window, off the centre, at 33 x 33 places."""
    x = torch.cartesian_prod(torch.linspace(-1, 1, 33), torch.linspace(-1, 1, 33))
    u = x - torch.tensor([0.2, -0.1])
    along = u @ torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)])
    return x, (torch.cos(2 * math.pi * 4 * along) * torch.exp(-(u**2).sum(1) / 0.16))[:, None]


SIZE = {"points": "points"}
TARGETS = {"chirp": chirp, "patch": patch}


def sized(name: str, coordinates: int, omega: float) -> KernelNetwork:
    """The kernel whose number of parameters is nearest to PARAMETERS."""
    return make_kernel(
        name, coordinates, 1, **{SIZE.get(name, "hidden"): width(name, coordinates)}, **frequency(name, omega)
    )


def frequency(name: str, omega: float) -> dict[str, float]:
    if name in ("mlp", "points"):
        return {}
    return {"omega": omega, "spread": omega / 2} if name == "gabor" else {"omega": omega}


@cache
def width(name: str, coordinates: int) -> int:
    """How wide a kernel is (or how many points it has) with PARAMETERS parameters."""

    def excess(n: int) -> int:
        return count(make_kernel(name, coordinates, 1, **{SIZE.get(name, "hidden"): n})) - PARAMETERS

    n = next(n for n in range(2, PARAMETERS) if excess(n) > 0)
    return n if excess(n) < -excess(n - 1) else n - 1


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def fitted(name: str, target: str, omega: float, rate: float, seed: int) -> tuple[float, float]:
    """Root mean square of what is left, over that of the target, and CPU seconds."""
    torch.manual_seed(seed)
    x, y = TARGETS[target]()
    kernel = sized(name, x.shape[1], omega)
    optimizer = torch.optim.Adam(kernel.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    start = time.process_time()
    for _ in range(STEPS):
        optimizer.zero_grad()
        (kernel(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - start
    return ((kernel(x) - y).square().mean() / y.square().mean()).sqrt().item(), seconds


def row(name: str, target: str) -> dict[str, Any]:
    """The best of some rates and omegas by the median over three seeds."""
    best: dict[str, Any] = {}
    for omega, rate in product((10.0,) if name in ("mlp", "points") else (10.0, 30.0), (1e-2, 3e-2)):
        runs = [fitted(name, target, omega, rate, seed) for seed in range(3)]
        error = statistics.median(e for e, _ in runs)
        if not best or error < best["relative error"]:
            torch.manual_seed(0)
            best = {
                "kernel": name,
                "target": target,
                "parameters": count(sized(name, 1 if target == "chirp" else 2, omega)),
                "relative error": error,
                "omega": None if name in ("mlp", "points") else omega,
                "rate": rate,
                "CPU s": statistics.median(s for _, s in runs),
            }
    return best


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(row, name, target) for target in TARGETS for name in KERNELS]
    print_table(f"Fitting a known kernel: {STEPS} steps of Adam, median of three seeds", rows)
    return rows
