"""Matching without landmarks on human and animal shapes with known correspondence.

    python benchmarks/spectral_matching.py [--faust PAIRS] [--tosca PAIRS] [--seed SEED]

Random ordered pairs of different shapes of faust_r_train, and of shapes of one class of tosca_r; 0 leaves a set out.
Errors are mean geodesic distances along edges, x 100 / sqrt(area), at the common landmarks, of the automatic start and
of its refinement, which is what `geokit match` gives; CPU seconds of one thread, without the operators of the shapes.
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
from geokit.spectral.refine import refine
from geokit.spectral.sampled import sample_shape
from geokit.spectral.shape import prepare

DATA = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data")


def pairs_within(shapes: list[str], count: int, seed: int) -> list[tuple[str, str]]:
    """`count` ordered pairs of different shapes whose names differ by their number only, without repetition."""
    every = [(a, b) for a in shapes for b in shapes if a != b and a.rstrip("0123456789") == b.rstrip("0123456789")]
    return random.Random(seed).sample(every, min(count, len(every)))


def measure(folder: Path, pairs: list[tuple[str, str]]) -> list[dict]:
    """Two rows of the table: errors, failures and seconds over the pairs, of the start and after refinement."""
    known, shapes, sampled = {}, {}, {}
    for name in sorted({name for pair in pairs for name in pair}):
        known[name] = load_known(folder, name)
        shapes[name] = prepare(known[name].mesh, 150)
        sampled[name] = sample_shape(shapes[name])
    results: dict[str, list] = {"start": [], "refined": []}
    confidences, ways = [], ("", torch.empty(0))
    for first, second in sorted(pairs):
        one, two = known[first], known[second]
        if ways[0] != first:
            ways = first, edge_geodesics(one.mesh)
        start = time.process_time()
        found = match_samples_of(sampled[first], sampled[second])
        middle = time.process_time()
        refined = refine(found.p2p_21, shapes[first], shapes[second], count=150)[1]
        seconds = middle - start, time.process_time() - start
        for stage, p2p, spent in zip(results, (found.p2p_21, refined), seconds):
            given = shapes[first].origins[p2p[shapes[second].given]]
            error = geodesic_error(given, two.landmarks, one.landmarks, ways[1], one.mesh.area(), one.mirrored)
            results[stage].append((error.mean, error.flipped, spent))
        confidences.append(found.confidence)
        shown = " ".join(f"{stage} {values[-1][0]:.2f}" for stage, values in results.items())
        print(f"{first} {second} {shown} confidence {found.confidence:.2f} {seconds[1]:.1f} s", flush=True)
    return [{"stage": stage, **summary(values, confidences)} for stage, values in results.items()]


def summary(values: list[tuple[float, bool, float]], confidences: list[float]) -> dict:
    """What one row tells."""
    errors, flips, seconds = (torch.tensor(column, dtype=torch.float64) for column in zip(*values))
    ranks = [column.argsort().argsort().double() for column in (errors, torch.tensor(confidences))]
    return {
        "pairs": len(errors),
        "mean": round(float(errors.mean()), 2),
        "median": round(float(errors.median()), 2),
        "worst": round(float(errors.max()), 2),
        "> 10": int((errors > 10).sum()),
        "flips": int(flips.sum()),
        "CPU s a pair": round(float(seconds.median()), 2),
        "threads": 1,
        "rank correlation of confidence": round(float(torch.corrcoef(torch.stack(ranks))[0, 1]), 2),
    }


def section(faust: int = 4, tosca: int = 4, seed: int = 0) -> list[dict]:
    """The rows of the table, on few pairs unless more are asked for: each takes seconds."""
    torch.set_num_threads(1)
    folder, rows = DATA, []
    for kind, count in (("faust_r_train", faust), ("tosca_r", tosca)):
        if count:
            found = measure(folder, pairs_within(names(folder, kind), count, seed))
            rows += [{"case": kind, **row} for row in found]
    print_table("matching without landmarks", rows)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faust", type=int, default=4)
    parser.add_argument("--tosca", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    save("spectral", "matching", section(**vars(parser.parse_args())))
