"""What the small networks of irreps reach: land or ocean from longitude and latitude, and clouds under rotations.

Land and ocean: 5,000 places each to train on and to test (GEOKIT_TEST_DATA, or shared/data beside the repository); 600
steps of Adam, three seeds. The other features are what came before: sines and cosines of longitude and latitude at
doubling frequencies, the same network behind them. Concentric spheres: the relative change of an untrained network's
output, in units of the spread between clouds, under 4 random rotations in float64.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, print_table
from torch import Tensor

DATA = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data") / "equivariance" / "landocean"


def land_and_ocean(number: int) -> tuple[Tensor, Tensor]:
    """Places (N, 2) in radians and whether they are land (N,)."""
    features = json.loads((DATA / f"landoceansdataset{number}.geojson").read_text())["features"]
    places = torch.tensor([feature["geometry"]["coordinates"] for feature in features]).deg2rad()
    return places, torch.tensor([feature["properties"]["land"] for feature in features])


class PlaneWaves(torch.nn.Module):
    """sin and cos of 2^k longitude and 2^k latitude."""

    def __init__(self, scales: int) -> None:
        super().__init__()
        from geokit.equivariant.irreps.location_encoder import SineLayer

        first = SineLayer(4 * scales, 64, 30.0, 1 / (4 * scales))
        hidden = SineLayer(64, 64, 1.0, math.sqrt(6 / 64))
        self.scales, self.network = scales, torch.nn.Sequential(first, hidden, torch.nn.Linear(64, 1))

    def forward(self, places: Tensor) -> Tensor:
        angles = (places[..., None] * 2.0 ** torch.arange(self.scales)).flatten(-2)
        return self.network(torch.cat([angles.sin(), angles.cos()], dim=-1) / math.sqrt(4 * math.pi))


def trained(encoder: torch.nn.Module, steps: int = 600, rate: float = 3e-4) -> torch.nn.Module:
    places, land = land_and_ocean(0)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(places), (512,))
        logits = encoder(places[batch])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, land[batch].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return encoder


def location_row(name: str, degree: int | None) -> dict[str, Any]:
    from geokit.equivariant.irreps import LocationEncoder

    places, land = land_and_ocean(1)
    accuracies, start = [], time.process_time()
    for seed in range(3):
        torch.manual_seed(seed)
        encoder = trained(PlaneWaves(6) if degree is None else LocationEncoder(degree, 1))
        with torch.no_grad():
            accuracies.append(100 * float(((encoder(places)[:, 0] > 0) == land).float().mean()))
    return {
        "features": name,
        "accuracy, %": np.mean(accuracies).item(),
        "lowest": min(accuracies),
        "highest": max(accuracies),
        "CPU s a training": (time.process_time() - start) / 3,
    }


def concentric_row(level: int) -> dict[str, Any]:
    from geokit.equivariant.irreps import ConcentricNetwork
    from geokit.geometry.rotations import random_rotations

    generator = torch.Generator().manual_seed(0)
    clouds = torch.randn(4, 256, 3, dtype=torch.float64, generator=generator) * torch.tensor([1.0, 0.6, 0.3])
    clouds = clouds / clouds.norm(dim=-1).amax(-1)[:, None, None]
    rotations = random_rotations(4, dtype=torch.float64, generator=generator)
    row: dict[str, Any] = {"level": level, "vertices": 10 * 4**level + 2}
    for name, widths in (("one layer", (16,)), ("two layers", (16, 32)), ("three layers", (16, 32, 64))):
        errors = []
        for seed in range(3):
            torch.manual_seed(seed)
            network = ConcentricNetwork(level, 6, 8, widths).double()
            with torch.no_grad():
                still = network(clouds)
                moved = torch.stack([network(clouds @ rotation.T) for rotation in rotations])
            spread = 2 * (still - still.mean(0)).norm()
            errors.append(float((moved - still).norm() / spread))
        row[name] = f"{np.median(errors):.1e}"
    start = time.process_time()
    network.float()(clouds.float()).sum().backward()
    return row | {"s a step of 4 clouds": time.process_time() - start}


def section() -> dict[str, list[dict[str, Any]]]:
    names: dict[str, int | None] = {"plane waves": None} | {f"harmonics to {d}": d for d in (5, 10, 20, 30)}
    places = [in_own_process(location_row, name, degree) for name, degree in names.items()]
    print_table("Land or ocean, 5,000 places to train on, 5,000 to test, three seeds", places)
    clouds = [in_own_process(concentric_row, level) for level in range(5)]
    print_table("Concentric spheres: relative change under random rotations, medians of three seeds", clouds)
    return {"places": places, "clouds": clouds}


if __name__ == "__main__":
    section()
