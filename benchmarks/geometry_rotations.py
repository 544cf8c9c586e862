"""The sanity test of Zhou et al. (2019, section 5.1): how well a network learns rotations by their representation.

A small network reads a rotation matrix and puts out a representation; the map of that representation gives a matrix
back; the loss is the squared Frobenius distance. What is left after training, over fresh uniform rotations, tells how
hard the representation is to put out: where it jumps, some rotations stay wrong by up to 180 degrees however long the
training. The paper trains for 500,000 steps of 64 rotations at a fixed rate of 1e-5; this test for 8,000 steps of 128
at a rate that falls from 2e-3, with the same network (4 layers of 128, leaky rectifiers). The order of the
representations repeats, the figures need not.

    python benchmarks/geometry_rotations.py            about three minutes on one thread
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from common import in_own_process, print_table
from torch import Tensor, nn

from geokit.geometry import rotations

STEPS, BATCH, RATE, TESTED = 8_000, 128, 2e-3, 100_000

REPRESENTATIONS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "quaternion": (4, rotations.matrix_from_quaternion),
    "axis-angle": (3, rotations.matrix_from_axis_angle),
    "Euler xyz": (3, lambda angles: rotations.matrix_from_euler(angles, "xyz")),
    "5D": (5, rotations.matrix_from_rotation_5d),
    "6D": (6, rotations.matrix_from_rotation_6d),
    "SVD (9D)": (9, lambda entries: rotations.nearest_rotation(entries.unflatten(-1, (3, 3)))),
}


def trained(name: str, steps: int, seed: int = 0) -> dict[str, Any]:
    """Errors in degrees of one representation after training."""
    size, to_matrix = REPRESENTATIONS[name]
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for width in (9, 128, 128):
        layers += [nn.Linear(width, 128), nn.LeakyReLU()]
    network = nn.Sequential(*layers, nn.Linear(128, size))
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    start = time.process_time()
    for _ in range(steps):
        target = rotations.random_rotations(BATCH, generator=generator, dtype=torch.float32)
        loss = (to_matrix(network(target.flatten(1))) - target).square().sum((1, 2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - start
    test = rotations.random_rotations(TESTED, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float32)
    with torch.no_grad():
        errors = torch.rad2deg(rotations.geodesic_distance(to_matrix(network(test.flatten(1))), test)).double()
    return {
        "representation": name,
        "numbers": size,
        "mean (deg)": float(errors.mean()),
        "std (deg)": float(errors.std()),
        "99.9 % (deg)": float(errors.quantile(0.999)),
        "max (deg)": float(errors.max()),
        "CPU s": seconds,
    }


def section(steps: int = STEPS) -> list[dict[str, Any]]:
    """One row a representation; prints the table."""
    rows = [in_own_process(trained, name, steps) for name in REPRESENTATIONS]
    print_table(
        "auto-encoder of rotations: geodesic error by representation",
        rows,
        f"{steps:,} steps of {BATCH}; errors over {TESTED:,} fresh rotations",
    )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    section(parser.parse_args().steps)
