"""Digits trained upright, tested under affine maps: canonical frames, sampled group convolutions and a plain network.

    OMP_NUM_THREADS=1 python benchmarks/affnist.py --data mnist.npz [--only main images seconds] [--workers 2]

Every run is a process of its own on one thread, with the same digits, loop and splits, and so many CPU seconds of
training. Settings were chosen on moved digits of the validation set; the test digits are moved by seeds of their own.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import in_own_process, print_table, save
from plain_digits import PlainNetwork

from geokit.pipelines.affine_learners import DirectLearner
from geokit.pipelines.train_affnist import make_learner, train_affnist

# Networks by name: what makes them, and options. What takes long for an image gets fewer tests.
FEW = {"valid": 500, "test": 3000, "evaluations": 4}
FEWER = {"valid": 60, "test": 300, "evaluations": 2}
NETWORKS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "canonical": (make_learner, {"precision": "bfloat16"}),
    "canonical, float32": (make_learner, {}),
    "canonical, SL(2)": (make_learner, {"precision": "bfloat16", "group": "sl"}),
    "canonical, SO(2)": (make_learner, {"precision": "bfloat16", "group": "so"}),
    "sampled": (make_learner, {"network": "sampled", "batch": 32, "rate": 2e-3, **FEWER}),
    "plain": (lambda settings: DirectLearner(PlainNetwork()), FEW),
}
GROUPS: dict[str, list[tuple[str, int, float, list[int]]]] = {  # network, digits, CPU seconds, seeds
    "main": [("canonical", 50_000, 300, [0, 1, 2])],
    "images": [
        (network, digits, 60, [0])
        for network in ("canonical", "plain", "sampled")
        for digits in (100, 1000, 10_000, 50_000)
    ],
    "seconds": [
        ("canonical", 50_000, 120, [0]),
        ("plain", 50_000, 300, [0]),
        ("sampled", 50_000, 300, [0]),
    ],
    "float32": [("canonical, float32", 50_000, 300, [0])],
    "groups": [("canonical, SL(2)", 50_000, 120, [0]), ("canonical, SO(2)", 50_000, 120, [0])],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz")
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, each on one thread")
    parser.add_argument("--share", type=float, default=1.0, help="of the CPU seconds, for a try")
    options = parser.parse_args()
    for group in options.only:
        jobs = [(job, seed) for job in GROUPS[group] for seed in job[3]]
        with ThreadPoolExecutor(options.workers) as pool:
            runs = list(
                pool.map(
                    lambda one: in_own_process(
                        trained, one[0][0], one[0][1], one[0][2] * options.share, one[1], options.data
                    ),
                    jobs,
                )
            )
        rows = [row([r for r, (own, _) in zip(runs, jobs) if own is job]) for job in GROUPS[group]]
        print_table(
            f"{group}: accuracy in % on test digits, by how they are moved",
            rows,
            "affnist: poses learned from the test images, no labels; [upright]: within 45 degrees; others: any pose",
        )
        print(f"  -> {save('affnist', group, {'table': rows, 'runs': runs})}", flush=True)


def trained(name: str, digits: int, cpu_seconds: float, seed: int, data: str) -> dict[str, Any]:
    make, options = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        results = train_affnist(
            Path(folder) / "run", learner=make, data=data, digits=digits, cpu_seconds=cpu_seconds, seed=seed, **options
        )
    print(f"  {name}, {digits:,} digits, {cpu_seconds:.0f} s: {results['test']['laws']}", flush=True)
    return {"network": name, "digits": digits, **results}


def row(runs: list[dict[str, Any]]) -> dict[str, Any]:
    def share(law: str, way: str) -> str:
        values = [100 * run["test"]["laws"][law].get(way, run["test"]["laws"][law]["any pose"]) for run in runs]
        spread = f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.2f}{spread}"

    first = runs[0]
    return {
        "network": first["network"],
        "digits": first["digits"],
        "centered": share("centered", "learned poses"),
        "affnist": share("affnist", "learned poses"),
        "[upright]": share("affnist", "upright"),
        "wide": share("wide", "any pose"),
        "noisy": share("wide_noisy", "any pose"),
        "stretched": share("stretched", "any pose"),
        "parameters": first["parameters"],
        "CPU s": round(statistics.mean(run["cpu_seconds"] for run in runs)),
        "preparing": round(statistics.mean(run["preparation_cpu_seconds"] for run in runs), 1),
        "ms a step": round(statistics.mean(run["cpu_milliseconds_per_step"] for run in runs)),
        "epochs": round(statistics.mean(run["epochs"] for run in runs), 1),
        "tests": first["test"]["digits"],
    }


if __name__ == "__main__":
    main()
