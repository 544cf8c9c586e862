"""Shapes from clouds of points, trained upright and tested in any orientation: plain networks and an equivariant one.

    OMP_NUM_THREADS=1 python benchmarks/pointclouds.py

Sixteen classes of generated shapes; the training clouds stand upright, turned at random about the vertical. Every
network has the same clouds, loop and CPU seconds of training, on one thread. As controls there are plain networks
trained on rotated clouds, and one on the clouds' principal axes, averaged over their signs.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import in_own_process, print_table, save
from point_networks import EdgeConvNet, FramePointNet, PointNet
from torch import nn

from geokit.pipelines.train_pointclouds import PointCloudSettings, position_orientation, train_pointclouds

NETWORKS: dict[str, Callable[[PointCloudSettings, int], nn.Module]] = {
    "PointNet": lambda settings, classes: PointNet(classes),
    "edge convolution": lambda settings, classes: EdgeConvNet(classes, settings.neighbors),
    "PointNet on frames": lambda settings, classes: FramePointNet(classes),
    "position-orientation": position_orientation,
}
RUNS = [
    ("PointNet", "turned"),
    ("edge convolution", "turned"),
    ("PointNet on frames", "turned"),
    ("position-orientation", "turned"),
    ("PointNet", "rotated"),
    ("edge convolution", "rotated"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-seconds", type=float, default=180, help="of training for each network and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    options = parser.parse_args()
    rows, results = [], []
    for name, pose in RUNS:
        if name in options.networks:
            runs = [in_own_process(trained, name, pose, seed, options.cpu_seconds) for seed in options.seeds]
            rows.append(row(name, pose, runs))
            results += runs
    upright = "upright" if len(options.seeds) == 1 else f"upright, {len(options.seeds)} seeds"
    print_table(
        f"accuracy in % on {results[0]['test']['clouds']} test clouds, {upright} and rotated at random",
        rows,
        "trained: the pose of the training clouds. drop: from upright to rotated, in points.",
    )
    print(f"  -> {save('pointclouds', 'accuracy', {'table': rows, 'runs': results})}")


def trained(name: str, pose: str, seed: int, cpu_seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        results = train_pointclouds(
            Path(folder) / "run", network=NETWORKS[name], pose=pose, seed=seed, cpu_seconds=cpu_seconds
        )
    return {"network": name, **results}


def row(name: str, pose: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    def mean(values: list[float]) -> float:
        return round(statistics.mean(values), 2)

    tests = [run["test"] for run in runs]
    return {
        "network": name,
        "trained": pose,
        "upright": mean([100 * test["upright"] for test in tests]),
        "rotated": mean([100 * test["rotated"] for test in tests]),
        "drop": mean([100 * (test["upright"] - test["rotated"]) for test in tests]),
        "parameters": runs[0]["parameters"],
        "CPU s": mean([run["cpu_seconds"] for run in runs]),
        "ms a step": mean([run["cpu_milliseconds_per_step"] for run in runs]),
        "epochs": mean([run["epochs"] for run in runs]),
    }


if __name__ == "__main__":
    main()
