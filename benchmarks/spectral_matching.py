"""Matching without landmarks on human and animal shapes with known correspondence.

    python benchmarks/spectral_matching.py [--faust PAIRS] [--tosca PAIRS] [--seed SEED]

Random ordered pairs of different shapes of faust_r_train, and of shapes of one class of tosca_r; 0 leaves a set out.
Errors are mean geodesic distances along edges, x 100 / sqrt(area), at the common landmarks; CPU seconds of one thread,
without the operators and samples of the shapes. The confidence is judged by how well it tells the pairs that err by
more than 1.5 times the median: the chance that such a pair has less of it than another one (area under the ROC).
"""

import argparse
import os
import random
import time
from pathlib import Path

import torch
from common import ROOT, print_table, save
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
    """What one row of the table tells of the pairs."""
    known, sampled = {}, {}
    for name in sorted({name for pair in pairs for name in pair}):
        known[name] = load_known(folder, name)
        sampled[name] = sample_shape(prepare(known[name].mesh, 150))
    results, ways = [], ("", torch.empty(0))
    for first, second in sorted(pairs):
        one, two = known[first], known[second]
        if ways[0] != first:
            ways = first, edge_geodesics(one.mesh)
        start = time.process_time()
        found = match_samples_of(sampled[first], sampled[second])
        seconds = time.process_time() - start
        given = sampled[first].shape.origins[found.p2p_21[sampled[second].shape.given]]
        error = geodesic_error(given, two.landmarks, one.landmarks, ways[1], one.mesh.area(), one.mirrored)
        results.append((error.mean, error.flipped, seconds, found.confidence))
        shown = f"error {error.mean:.2f} confidence {found.confidence:.2f} misfit {found.misfit:.0f}"
        print(f"{first} {second} {shown} ahead {found.ahead:.2f} {seconds:.1f} s", flush=True)
    errors, flips, seconds, confidences = (torch.tensor(column, dtype=torch.float64) for column in zip(*results))
    bad = errors > 1.5 * errors.median()
    below = (confidences[bad][:, None] < confidences[~bad]).double()
    ties = (confidences[bad][:, None] == confidences[~bad]).double()
    return {
        "pairs": len(errors),
        "mean": round(float(errors.mean()), 2),
        "median": round(float(errors.median()), 2),
        "worst": round(float(errors.max()), 2),
        "> 10": int((errors > 10).sum()),
        "flips": int(flips.sum()),
        "CPU s a pair": round(float(seconds.median()), 2),
        "threads": 1,
        "bad": int(bad.sum()),
        "confidence tells bad": round(float((below + ties / 2).mean()), 2) if bool(bad.any()) else None,
    }


def section(faust: int = 4, tosca: int = 4, seed: int = 0) -> list[dict]:
    """The rows of the table, on few pairs unless more are asked for: each takes seconds."""
    torch.set_num_threads(1)
    folder, rows = DATA, []
    for kind, count in (("faust_r_train", faust), ("tosca_r", tosca)):
        if count:
            rows.append({"case": kind, **measure(folder, pairs_within(names(folder, kind), count, seed))})
    print_table("matching without landmarks", rows)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faust", type=int, default=4)
    parser.add_argument("--tosca", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    save("spectral", "matching", section(**vars(parser.parse_args())))
