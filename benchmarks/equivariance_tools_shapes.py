"""PointNet behind invariant coordinates: generated shapes, trained upright, tested upright and in any orientation."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import in_own_process, print_table
from point_networks import PointNet
from torch import Tensor, nn

from geokit.equivariant.frame_averaging import FrameAverage
from geokit.equivariant.invariant_coordinates import InvariantInput, invariant_coordinates
from geokit.pipelines.shape_clouds import shape_clouds
from geokit.pipelines.train_pointclouds import train_pointclouds

SECONDS, SEEDS, DOUBT = 60.0, (0,), 0.2


def wrapped(name: str, net: nn.Module) -> nn.Module:
    if name == "PointNet":
        return net
    if name == "on coordinates, signs by rule":
        return InvariantInput(net)
    if name == "on coordinates, signs blended":
        return InvariantInput(net, signs="blend")
    return FrameAverage(net, frames="principal", training_frames=1)


NAMES = (
    "PointNet",
    "on coordinates, signs by rule",
    "on coordinates, signs blended",
    "on frames, one drawn in training",
)


def trained(name: str, seed: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        results = train_pointclouds(
            Path(folder) / "run",
            network=lambda _, classes: wrapped(name, PointNet(classes)),
            seed=seed,
            cpu_seconds=seconds,
            evaluations=6,  # each takes up to eight passes over the clouds
        )
    return {"network": name, "seed": seed, **results}


RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "third moment": lambda z: z**3,
    "z |z|": lambda z: z * z.abs(),
    "median": torch.sign,
    "z |x|^2": lambda z: z * z.square().sum(-1, keepdim=True),
    "z exp(-|x|^2 / 2)": lambda z: z * (-z.square().sum(-1, keepdim=True) / 2).exp(),
}


def flips() -> list[dict[str, Any]]:
    """How often two halves of the same cloud disagree about the sign of an axis, by the rule that decides it."""
    points = shape_clouds(60, 512, seed=3).points.double()
    axes = invariant_coordinates(points).axes
    shuffled = points[:, torch.randperm(512, generator=torch.Generator().manual_seed(0))]
    halves = [(half - half.mean(1, keepdim=True)) @ axes for half in shuffled.split(256, 1)]
    size = (points @ axes).square().mean(1, keepdim=True).sqrt()
    rows = []
    for name, rule in RULES.items():
        first, second = (rule(half / size).mean(1) for half in halves)
        rows.append({"rule": name, "disagree %": 100 * float((first.sign() != second.sign()).double().mean())})
    first, second = (half.pow(3).sum(1) / half.abs().pow(3).sum(1) for half in halves)
    sure = first.abs() > DOUBT
    wrong = (first.sign() != second.sign())[sure]
    rows.append(
        {"rule": f"third moment where the skewness is above {DOUBT}", "disagree %": 100 * float(wrong.double().mean())}
    )
    rows.append({"rule": "axes with less skewness than that", "disagree %": 100 * float((~sure).double().mean())})
    return rows


def section() -> dict[str, Any]:
    signs = flips()
    print_table("Signs of the axes of 960 clouds of 512 points, decided on either half of a cloud", signs)
    runs = [in_own_process(trained, name, seed, SECONDS) for name in NAMES for seed in SEEDS]
    rows = []
    for name in NAMES:
        mine = [run for run in runs if run["network"] == name]
        upright, rotated = (100 * statistics.mean(run["test"][key] for run in mine) for key in ("upright", "rotated"))
        rows.append(
            {"network": name, "upright": upright, "rotated": rotated, "drop": upright - rotated}
            | {key: mine[0][key] for key in ("parameters", "cpu_milliseconds_per_step", "epochs")}
        )
    print_table(f"Accuracy in % after {SECONDS:.0f} CPU seconds of training on upright clouds, seeds {SEEDS}", rows)
    return {"signs": signs, "runs": runs}
