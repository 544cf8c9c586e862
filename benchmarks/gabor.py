"""Does Gabor pay? Gaussian and Gabor primitives at equal floats, equal steps and equal tuning, by content.

    python benchmarks/gabor.py --capture periodic=scenes/still_life --floats 300000 --steps 2000 --seeds 0 1 2

Every float that is stored counts. Held-out PSNR at the training resolution, at half of it (area-averaged photographs)
and, where a capture of that size is given by `--double CONTENT=DIR`, at double (anti-aliased rendering is not used:
both see the same pixels). Results are appended to benchmarks/results/gabor.jsonl, so that a long study can be run in
pieces; `--table` prints what is there.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from geokit.geometry import Splats
from geokit.io import Capture, load_capture
from geokit.io.initial_points import initial_points
from geokit.splatting import TrainConfig, Trainer, psnr, render, splats_from_points
from geokit.splatting.waves import cycles_per_sigma

RESULTS = Path(__file__).parent / "results" / "gabor.jsonl"
KINDS = {"gaussian": 0, "gabor-1": 1, "gabor-2": 2}


def floats_each(waves: int, sh_degree: int) -> int:
    return 11 + 3 * (sh_degree + 1) ** 2 + 5 * waves


def held_out(splats: Splats, capture: Capture, factor: float) -> float:
    """Mean held-out PSNR with pictures `factor` times as large (area-averaged photographs when smaller)."""
    total = 0.0
    with torch.no_grad():
        for i in capture.test:
            photograph = capture.photograph(i)
            camera = capture.cameras[i]
            if factor != 1:
                camera = camera.scaled(factor)
                width, height = camera.sizes[0]
                planes = photograph.permute(2, 0, 1)[None]
                averaged = torch.nn.functional.interpolate(planes, size=(height, width), mode="area")
                photograph = averaged[0].permute(1, 2, 0)
            total += psnr(render(splats, camera).image, photograph)
    return total / len(capture.test)


def train(
    capture: Capture,
    larger: Capture | None,
    kind: str,
    floats: int,
    steps: int,
    seed: int,
    sh_degree: int,
    options: dict,
) -> dict:
    waves = KINDS[kind]
    count = floats // floats_each(waves, sh_degree)
    config = TrainConfig(
        steps=steps, primitive="gabor" if waves else "gaussian", waves=max(waves, 1), max_splats=count,
        initial_splats=count // 2, sh_degree=sh_degree, seed=seed, **options,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    points = initial_points(capture, config.initial_splats, generator)
    photographs = [(capture.photograph(i) * 255).round().to(torch.uint8) for i in capture.train]
    begun = time.process_time()
    splats = splats_from_points(points, config.initial_opacity, config.initial_scale)
    trainer = Trainer(capture.cameras[capture.train], photographs, splats, config)
    for _ in range(steps):
        trainer.step()
    training = time.process_time() - begun
    found = trainer.splats
    row = {"kind": kind, "steps": steps, "seed": seed, "splats": len(found), "floats": found.parameters}
    row |= {"psnr": held_out(found, capture, 1), "half": held_out(found, capture, 0.5)}
    row["cpu_seconds"] = training
    if larger is not None:
        row["double"] = held_out(found, larger, 1)
    if waves:
        weights = found.wave_weights.norm(dim=2)
        row["open"] = float((weights > 0.02).float().mean())
        row["cycles"] = cycles_per_sigma(found)[weights > 0.02].quantile(torch.tensor([0.5, 0.9])).tolist()
    return row


def table(rows: list[dict]) -> None:
    """One line a content, budget, length, harmonics and options; the newest run of a seed counts."""
    groups: dict[tuple, dict[str, dict[int, dict]]] = {}
    for row in rows:
        options = json.dumps(row["options"], sort_keys=True)
        key = (row["content"], row["budget"], row["steps"], row["sh_degree"], options)
        groups.setdefault(key, {}).setdefault(row["kind"], {})[row["seed"]] = row
    print("| content | floats | steps | SH | options | primitive | seeds | PSNR | gain | half | double | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for (content, budget, steps, sh, options), by_seed in sorted(groups.items()):
        kinds = {kind: list(found.values()) for kind, found in by_seed.items()}
        base = statistics.mean(r["psnr"] for r in kinds["gaussian"]) if "gaussian" in kinds else float("nan")
        for kind, found in sorted(kinds.items(), reverse=True):
            values = [r["psnr"] for r in found]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            mean = statistics.mean(values)
            half, double = (
                f"{statistics.mean(r[size] for r in found):.2f}" if all(size in r for r in found) else ""
                for size in ("half", "double")
            )
            cpu = statistics.mean(r["cpu_seconds"] for r in found)
            print(
                f"| {content} | {budget:,} | {steps:,} | {sh} | {options} | {kind} | {len(found)} | {mean:.2f}{spread} "
                f"| {mean - base:+.2f} | {half} | {double} | {cpu:.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", nargs="*", default=[], metavar="CONTENT=DIR[@DOWNSCALE]")
    parser.add_argument(
        "--double", nargs="*", default=[], metavar="CONTENT=DIR", help="the same views at twice the size"
    )
    parser.add_argument("--kinds", nargs="*", default=["gaussian", "gabor-1"], choices=list(KINDS))
    parser.add_argument("--floats", nargs="*", type=int, default=[300_000])
    parser.add_argument("--steps", nargs="*", type=int, default=[2000])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--sh-degree", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--option", nargs="*", default=[], metavar="NAME=NUMBER", help="other TrainConfig values, for both kinds"
    )
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    options = {name: float(value) for name, value in (o.split("=") for o in arguments.option)}
    doubles = dict(entry.split("=") for entry in arguments.double)
    RESULTS.parent.mkdir(exist_ok=True)
    for entry in arguments.capture:
        content, place = entry.split("=")
        folder, _, downscale = place.partition("@")
        capture = load_capture(folder, float(downscale or 1))
        larger = load_capture(doubles[content]) if content in doubles else None
        for budget in arguments.floats:
            for steps in arguments.steps:
                for seed in arguments.seeds:
                    for kind in arguments.kinds:
                        row = train(capture, larger, kind, budget, steps, seed, arguments.sh_degree, options)
                        row |= {"content": content, "budget": budget, "options": options}
                        row["sh_degree"] = arguments.sh_degree
                        print(json.dumps(row), flush=True)
                        with RESULTS.open("a") as file:
                            file.write(json.dumps(row) + "\n")
    if arguments.table and RESULTS.exists():
        table([json.loads(line) for line in RESULTS.read_text().splitlines()])


if __name__ == "__main__":
    main()
