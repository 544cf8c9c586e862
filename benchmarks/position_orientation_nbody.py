"""N-body test error against CPU seconds on one thread: every network in the same loop, selected on validation, three
seeds."""

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import ROOT, in_own_process, print_table
from egnn import EGNN
from torch import nn
from torch.nn.functional import mse_loss

from geokit.equivariant.position_orientation import NBodyNet
from geokit.pipelines.nbody_data import Particles, load_nbody
from geokit.pipelines.train_loop import Problem, TrainLoop
from geokit.pipelines.train_nbody import NBodySettings, predict

SECONDS, SEEDS = 60.0, (0, 1, 2)
NETWORKS = {
    "EGNN as published": lambda: EGNN(),
    "EGNN with the same extras": lambda: EGNN(extras=True),
    "fixed grid": lambda: NBodyNet(hidden=32, layers=3, equivariance="fixed"),
    "grid on frames": lambda: NBodyNet(hidden=32, layers=3, equivariance="cloud"),
    "data, no orientation convolution": lambda: NBodyNet(degree=0),
    "data": lambda: NBodyNet(),
}


def data_file() -> Path:
    root = Path(os.environ.get("GEOKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    return root / "equivariance" / "nbody_small" / "nbody_small_seed43.npz"


def trained(name: str, seed: int, seconds: float) -> dict[str, Any]:
    """The test error of the network that validation selects, and the curve."""
    return fitted(name, NETWORKS[name], seed, seconds)[0]


def fitted(
    name: str, make: Callable[[], nn.Module], seed: int, seconds: float
) -> tuple[dict[str, Any], nn.Module, Particles]:
    """What is told of a network after its CPU seconds; the network itself, and the test samples."""
    splits = load_nbody(data_file())
    learned, valid, test = (splits[s] for s in ("train", "valid", "test"))
    torch.manual_seed(seed)
    net = make()

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return mse_loss(net(learned.x0[rows], learned.v0[rows], learned.charges[rows]), learned.x1[rows])

    problem = Problem(
        net, len(learned), loss, lambda n: float(mse_loss(predict(n, valid), valid.x1)), "mean squared error"
    )
    loop = TrainLoop(problem, NBodySettings(cpu_seconds=seconds, seed=seed))
    for _ in loop.steps():
        pass
    loop.averaged.load_state_dict(loop.best)
    told = {
        "network": name,
        "seed": seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "ms a step": 1e3 * loop.cpu_seconds / loop.step_number,
        "epochs": loop.epoch,
        "test": float(mse_loss(predict(loop.averaged, test), test.x1)),
        "curve": loop.curve,
    }
    return told, loop.averaged, test


def compared(names: list[str], seconds: float, title: str) -> list[dict[str, Any]]:
    runs = [in_own_process(trained, name, seed, seconds) for name in names for seed in SEEDS]
    rows = []
    for name in names:
        mine = [r for r in runs if r["network"] == name]
        errors = [r["test"] for r in mine]
        rows.append(
            {
                "network": name,
                "parameters": mine[0]["parameters"],
                "ms a step": statistics.median(r["ms a step"] for r in mine),
                "epochs": statistics.median(r["epochs"] for r in mine),
                "median": statistics.median(errors),
                "least": min(errors),
                "most": max(errors),
            }
        )
    print_table(
        title, rows, "test mean squared error; x + v has 0.1090, EGNN in its paper 0.0071, PONITA 0.0043, CGENN 0.0039"
    )
    return runs


def section() -> list[dict[str, Any]]:
    return compared(list(NETWORKS), SECONDS, f"N-body after {SECONDS:.0f} CPU seconds of training, {len(SEEDS)} seeds")
