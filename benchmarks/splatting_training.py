"""Training on the fox photographs: what a step costs and where, and how soon a quality is reached."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from common import in_own_process, peak_memory, print_table
from splatting_scenes import with_jittered_copies

from geokit.backend import image_ops, optimizer_ops, splatting_ops
from geokit.io import load_capture
from geokit.io.initial_points import initial_points
from geokit.splatting import TrainConfig, Trainer, psnr, render, splats_from_points

# OpenSplat 1.2.0 (--cpu) on the same data, CPU seconds a step: measured earlier and separately, on a 2-core AMD EPYC.
OPENSPLAT_STEP = {
    ("135x240", 12_201): 0.138,
    ("270x480", 12_201): 0.39,
    ("270x480", 97_608): 0.39,
    ("540x960", 12_201): 1.34,
}
OPENSPLAT_MEMORY = {  # MB
    ("135x240", 12_201): 250,
    ("270x480", 12_201): 340,
    ("270x480", 97_608): 480,
    ("540x960", 12_201): 760,
}
OPENSPLAT_QUALITY = 54.5  # CPU seconds in all for 400 steps at 135x240, which end at 21.89 dB on 0001.jpg
BAR = {("270x480", 12_201): 0.065, ("270x480", 97_608): 0.08, ("540x960", 12_201): 0.22}
BAR_QUALITY = 7.0
CASES = (("135x240", 4, 0), ("270x480", 2, 0), ("270x480", 2, 7), ("540x960", 1, 0))  # size, downscale, jittered copies
WARM, STEPS = 5, 50

# What the native functions are called in the breakdown, in the order of a step.
PARTS = {
    "project_forward": "projection",
    "harmonics_forward": "harmonics",
    "bin_count": "binning",
    "bin_fill": "binning",
    "rasterize_forward": "rasterize",
    "compare_forward": "loss",
    "compare_backward": "loss'",
    "rasterize_backward": "rasterize'",
    "harmonics_backward": "harmonics'",
    "project_backward": "projection'",
    "adam_step": "Adam",
}


class _Timed:
    """The native module with the CPU seconds of every function added up."""

    def __init__(self, module: Any, seconds: dict[str, float]) -> None:
        self._module, self._seconds = module, seconds

    def __getattr__(self, name: str) -> Any:
        function, part = getattr(self._module, name), PARTS.get(name, name)

        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            result = function(*arguments)
            self._seconds[part] = self._seconds.get(part, 0.0) + time.process_time() - start
            return result

        return timed


@contextmanager
def native_seconds() -> Iterator[dict[str, float]]:
    """CPU seconds spent in each part of the native layer inside the block."""
    modules = (splatting_ops, image_ops, optimizer_ops)
    native = splatting_ops._native
    seconds: dict[str, float] = dict.fromkeys(PARTS.values(), 0.0)
    timed = _Timed(native, seconds)
    for module in modules:
        module._native = timed
    try:
        yield seconds
    finally:
        for module in modules:
            module._native = native


def _fox(data: Path, downscale: int, held_out: list[str]) -> tuple[Any, list[torch.Tensor]]:
    capture = load_capture(data / "splatting" / "fox_colmap", downscale, test_every=0, test_images=held_out or None)
    return capture, [(capture.photograph(i) * 255).round().to(torch.uint8) for i in capture.train]


def step_case(data: Path, downscale: int, copies: int) -> dict[str, Any]:
    """Mean CPU and wall seconds over one pass through the photographs, its breakdown in milliseconds, memory in MB."""
    capture, photographs = _fox(data, downscale, [])
    cloud = initial_points(capture, 1_000_000, torch.Generator().manual_seed(0))
    cloud = with_jittered_copies(cloud, copies) if copies else cloud
    splats = splats_from_points(cloud)
    # So many steps that none of the measured ones densifies or opens harmonics; the start is OpenSplat's own.
    config = TrainConfig(steps=1_000_000, progressive=False, max_splats=len(splats))
    trainer = Trainer(capture.cameras[capture.train], photographs, splats, config)
    for _ in range(WARM):
        trainer.step()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(STEPS):
        trainer.step()
    cpu, wall = (time.process_time() - cpu) / STEPS, (time.perf_counter() - wall) / STEPS
    with native_seconds() as seconds:
        start = time.process_time()
        for _ in range(STEPS):
            trainer.step()
        total = time.process_time() - start
    parts = {part: 1000 * value / STEPS for part, value in seconds.items()}
    parts["the rest"] = 1000 * total / STEPS - sum(parts.values())
    return {"splats": len(splats), "cpu": cpu, "wall": wall, "parts": parts, "memory": peak_memory()}


def training_section(data: Path) -> dict[str, Any]:
    rows, breakdown = [], []
    for size, downscale, copies in CASES:
        for threads in (2, 1):
            found = in_own_process(step_case, data, downscale, copies, threads=threads)
            case = (size, found["splats"])
            peer = OPENSPLAT_STEP.get(case)
            rows.append(
                {
                    "case": size,
                    "splats": found["splats"],
                    "threads": threads,
                    "CPU s/step": found["cpu"],
                    "wall s/step": found["wall"],
                    "OpenSplat CPU s": peer,
                    "ratio": peer / found["cpu"] if peer else None,
                    "bar": BAR.get(case),
                    "met": found["cpu"] <= BAR[case] if case in BAR else None,
                    "peak MB": found["memory"],
                    "OpenSplat MB": OPENSPLAT_MEMORY.get(case),
                }
            )
            breakdown.append({"case": size, "splats": found["splats"], "threads": threads} | found["parts"])
    print_table(
        f"Training step on fox_colmap: harmonics of degree 0, no densification, mean of {STEPS} steps",
        rows,
        "OpenSplat 1.2.0 was measured earlier and separately, alone on a 2-core AMD EPYC.",
    )
    print_table("Breakdown in CPU milliseconds a step (' = backward)", breakdown)
    return {"steps": rows, "breakdown": breakdown}


def quality_run(data: Path, steps: int, cap: int, target: float) -> dict[str, Any]:
    """CPU seconds from the start of training until 0001.jpg, held out, is rendered at `target` dB."""
    capture, photographs = _fox(data, 4, ["0001.jpg"])
    config = TrainConfig(steps=steps, max_splats=cap)
    cloud = initial_points(capture, config.initial_splats, torch.Generator().manual_seed(config.seed))
    splats = splats_from_points(cloud, config.initial_opacity, config.initial_scale)
    held_out, camera = capture.photograph(capture.test[0]), capture.cameras[capture.test[0]]
    cpu, wall, curve, reached = 0.0, 0.0, [], None
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    trainer = Trainer(capture.cameras[capture.train], photographs, splats, config)
    for number in range(1, steps + 1):
        trainer.step()
        if number % 10:
            continue
        cpu, wall = cpu + time.process_time() - cpu_start, wall + time.perf_counter() - wall_start
        with torch.no_grad():
            quality = psnr(render(trainer.splats, camera, background=trainer.background).image, held_out)
        curve.append((number, round(cpu, 3), round(quality, 2)))
        if reached is None and quality >= target:
            reached = {"steps": number, "CPU s": cpu, "wall s": wall, "dB": quality, "splats": len(trainer.splats)}
        wall_start, cpu_start = time.perf_counter(), time.process_time()
    return {"reached": reached, "curve": curve, "end": curve[-1], "memory": peak_memory()}


def quality_section(data: Path, target: float = 21.9) -> dict[str, Any]:
    rows, curves = [], {}
    usual = TrainConfig().max_splats
    for steps, cap in ((400, usual), (1000, usual), (400, 20_000)):
        found = in_own_process(quality_run, data, steps, cap, target, threads=2)
        reached = found["reached"] or {"steps": None, "CPU s": None, "wall s": None, "dB": None, "splats": None}
        met = reached["CPU s"] is not None and reached["CPU s"] <= BAR_QUALITY
        end = {"dB at the end": found["end"][2], "CPU s at the end": found["end"][1]}
        rows.append({"planned steps": steps, "cap": cap} | reached | {"bar CPU s": BAR_QUALITY, "met": met} | end)
        curves[f"{steps} steps, {cap} splats"] = found["curve"]
    print_table(
        f"Time to {target} dB on fox_colmap at 135x240, 0001.jpg held out, two threads, other settings the default",
        rows,
        f"OpenSplat 1.2.0, measured earlier and separately: {OPENSPLAT_QUALITY} CPU s for 400 steps, 21.89 dB.",
    )
    return {"rows": rows, "curves": curves}
