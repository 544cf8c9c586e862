"""The start without landmarks on human and animal shapes with known correspondence.

    python benchmarks/spectral_matching.py [--faust PAIRS] [--tosca PAIRS] [--seed SEED]

Random ordered pairs of different shapes of faust_r_train, and of shapes of one class of tosca_r; 0 leaves a set out.
Errors are mean geodesic distances along edges, x 100 / sqrt(area), at the common landmarks; CPU seconds of one thread.
"""

import argparse
import os
import random
import time
from pathlib import Path

import torch
from common import ROOT
from spectral_data import load_known, names

from geokit.spectral.automatic import match_samples_of
from geokit.spectral.evaluation import edge_geodesics, geodesic_error
from geokit.spectral.sampled import sample_shape
from geokit.spectral.shape import prepare

DATA = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data")


def pairs_within(shapes: list[str], count: int, seed: int) -> list[tuple[str, str]]:
    """`count` ordered pairs of different shapes whose names differ by their number only, without repetition."""
    every = [(a, b) for a in shapes for b in shapes if a != b and a.rstrip("0123456789") == b.rstrip("0123456789")]
    return random.Random(seed).sample(every, min(count, len(every)))


def measure(folder: Path, pairs: list[tuple[str, str]]) -> dict:
    """One row of the table: errors, failures and seconds over the pairs."""
    known, shapes, sampled = {}, {}, {}
    for name in sorted({name for pair in pairs for name in pair}):
        known[name] = load_known(folder, name)
        shapes[name] = prepare(known[name].mesh, 150)
        sampled[name] = sample_shape(shapes[name])
    errors, flips, seconds, confidences = [], 0, [], []
    for first, second in sorted(pairs):
        start = time.process_time()
        found = match_samples_of(sampled[first], sampled[second])
        seconds.append(time.process_time() - start)
        one, two = known[first], known[second]
        p2p_21 = shapes[first].origins[found.p2p_21[shapes[second].given]]
        error = geodesic_error(
            p2p_21, two.landmarks, one.landmarks, edge_geodesics(one.mesh), one.mesh.area(), one.mirrored
        )
        errors.append(error.mean)
        flips += error.flipped
        confidences.append(found.confidence)
        print(f"{first} {second} {error.mean:.2f} confidence {found.confidence:.2f}", flush=True)
    values = torch.tensor(errors)
    return {
        "pairs": len(pairs),
        "mean": round(float(values.mean()), 2),
        "median": round(float(values.median()), 2),
        "worst": round(float(values.max()), 2),
        "> 10": int((values > 10).sum()),
        "flips": flips,
        "CPU s a pair": round(sum(seconds) / len(seconds), 2),
        "threads": 1,
        "lowest confidence": round(min(confidences), 2),
    }


def section(faust: int = 4, tosca: int = 4, seed: int = 0) -> list[dict]:
    """The rows of the table, on few pairs unless more are asked for: each takes seconds."""
    torch.set_num_threads(1)
    folder, rows = DATA, []
    for kind, count in (("faust_r_train", faust), ("tosca_r", tosca)):
        if count:
            rows.append({"case": kind, **measure(folder, pairs_within(names(folder, kind), count, seed))})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faust", type=int, default=4)
    parser.add_argument("--tosca", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    for row in section(**vars(parser.parse_args())):
        print(row)
