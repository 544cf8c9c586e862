"""Splatting on the CPU, measured: kernels, a plain torch peer, scaling, training steps, time to quality.

    python benchmarks/splatting.py [--only SECTION ...] [--data FOLDER]

Medians; CPU time counts all threads. Run it alone: on a busy machine waiting threads spin, which costs up to three
times the CPU seconds.
The results also go to benchmarks/results/splatting.json.
"""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import ROOT, in_own_process, machine, measure, peak_memory, print_table, save
from plain_torch_splatting import composite
from splatting_scenes import Screen, garden_scene, projected, random_scene
from splatting_training import quality_section, training_section

from geokit.backend.splatting_ops import count_pairs, forget_binning, rasterize
from geokit.splatting import render

OPERATIONS_A_PAIR = 45  # vector-lane operations of the forward pass on one (splat, pixel) pair, K = 0
BAR_FORWARD, BAR_BOTH, BAR_FRAMES, BAR_RATIO = 0.8, 0.25, 20.0, 50.0


def forward_of(screen: Screen) -> Callable[[], object]:
    def forward() -> None:
        forget_binning()
        rasterize(*screen.arguments(), median=False)

    return forward


def both_of(screen: Screen) -> Callable[[], object]:
    leaves = screen.with_gradients()
    cotangent = torch.randn(screen.height, screen.width, 3, generator=torch.Generator().manual_seed(0))

    def both() -> None:
        forget_binning()
        rasterize(*leaves.arguments(), median=False)[0].backward(cotangent)

    return both


def pairs_of(screen: Screen) -> int:
    return count_pairs(
        screen.means2d, screen.conics, screen.depths, screen.opacities, screen.waves, screen.width, screen.height
    )


# ------------------------------------------------------------------------------------------------------- kernels


def matmul_peak() -> float:
    """float32 operations a second, multiply and add counted as two, of torch's matrix product on one thread."""
    a = torch.randn(768, 768)
    return 2 * 768**3 / measure(lambda: a @ a, repeats=9, warm=3).wall


def kernel_case(scene: str, data: Path, waves: int) -> dict[str, Any]:
    if scene == "garden":
        splats, camera = garden_scene(data)
    else:
        splats, camera = random_scene(100_000, 640, 480, float(scene), waves)
    screen = projected(splats, camera)
    pairs = pairs_of(screen)
    row: dict[str, Any] = {
        "scene": "garden" if scene == "garden" else f"random, {scene} px",
        "waves": waves,
        "splats": len(splats),
        "size": f"{screen.width}x{screen.height}",
        "mean radius": float(screen.radii().mean()),
        "M pairs": pairs / 1e6,
        "M in ellipse": screen.ellipse_pairs() / 1e6,
    }
    for threads in (1, 2):
        torch.set_num_threads(threads)
        forward, both = measure(forward_of(screen), 9), measure(both_of(screen), 7)
        with torch.no_grad():
            whole = measure(lambda: render(splats, camera), 7)
        if threads == 1:
            row["G pairs/s fwd"], row["G pairs/s both"] = pairs / forward.cpu / 1e9, pairs / both.cpu / 1e9
            row["of peak"] = OPERATIONS_A_PAIR * pairs / forward.cpu / (matmul_peak() / 2)
        row[f"raster/s x{threads}"], row[f"render/s x{threads}"] = 1 / forward.wall, 1 / whole.wall
    return row | {"peak MB": peak_memory()}


def kernels_section(data: Path) -> dict[str, Any]:
    cases = [("6", 0), ("6", 1), ("6", 2), ("20", 0)]
    if (data / "splatting" / "garden_npz").is_dir():
        cases.append(("garden", 0))
    rows = [in_own_process(kernel_case, scene, data, waves) for scene, waves in cases]
    peak = in_own_process(matmul_peak)
    print_table(
        "Kernels: rasterization with binning; render adds projection and colours; G pairs/s are on one core",
        rows,
        f"of peak: {OPERATIONS_A_PAIR} lane operations a pair; torch's matmul, {peak / 1e9:.0f} Gflop/s, halved.",
    )
    first = rows[0]
    bars = [
        {"bar": "forward, G pairs/s a core", "wanted": BAR_FORWARD, "found": first["G pairs/s fwd"]},
        {"bar": "forward + backward, G pairs/s a core", "wanted": BAR_BOTH, "found": first["G pairs/s both"]},
        {"bar": "rasterize, frames/s on two threads", "wanted": BAR_FRAMES, "found": first["raster/s x2"]},
        {"bar": "render, frames/s on two threads", "wanted": BAR_FRAMES, "found": first["render/s x2"]},
    ]
    print_table("Bars, 100,000 splats of 6 px", [bar | {"met": bar["found"] >= bar["wanted"]} for bar in bars])
    return {"rows": rows, "bars": bars, "matmul Gflop/s": peak / 1e9}


# --------------------------------------------------------------------------------------------- plain torch as peer


def peer_case(scene: str, gather_once: bool, data: Path) -> dict[str, Any]:
    """Forward and backward of the same projected splats by geokit and by plain torch, both on one thread."""
    garden = scene == "garden"
    splats, camera = garden_scene(data, 10_000, (256, 256)) if garden else random_scene(10_000, 256, 256, float(scene))
    screen = projected(splats, camera)
    ours, plain = screen.with_gradients(), screen.with_gradients()
    cotangent = torch.randn(256, 256, 3, generator=torch.Generator().manual_seed(0))

    def run_ours() -> torch.Tensor:
        forget_binning()
        image = rasterize(*ours.arguments(), median=False)[0]
        image.backward(cotangent)
        return image

    def run_plain() -> torch.Tensor:
        p = plain
        image = composite(
            p.means2d, p.conics, p.depths, p.opacities, p.features, p.background, 256, 256, gather_once=gather_once
        )
        image.backward(cotangent)
        return image

    difference = float((run_plain() - run_ours()).detach().abs().max())
    names = ("means2d", "conics", "opacities", "features")
    slopes = max(_relative(getattr(ours, name).grad, getattr(plain, name).grad) for name in names)
    if difference > 2e-3 or slopes > 1e-2:
        raise SystemExit(f"the two images or gradients disagree ({difference:.2g}, {slopes:.2g}): nothing to compare")
    for leaves in (ours, plain):
        for leaf in vars(leaves).values():
            if isinstance(leaf, torch.Tensor):
                leaf.grad = None
    native, peer = measure(run_ours, 15, 3), measure(run_plain, 5)
    return {
        "scene": "garden points" if garden else f"random, {scene} px",
        "plain torch gathers": "once" if gather_once else "a tile",
        "visible": int((screen.depths > 0).sum()),
        "mean radius": float(screen.radii().mean()),
        "M pairs": pairs_of(screen) / 1e6,
        "image difference": difference,
        "gradient difference": slopes,
        "geokit ms": 1e3 * native.cpu,
        "plain torch ms": 1e3 * peer.cpu,
        "ratio": peer.cpu / native.cpu,
        "bar": BAR_RATIO,
        "met": peer.cpu / native.cpu >= BAR_RATIO,
    }


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def peer_section(data: Path) -> list[dict[str, Any]]:
    scenes = ("garden", "6") if (data / "splatting" / "garden_npz").is_dir() else ("6",)
    rows = [in_own_process(peer_case, scene, once, data) for scene in scenes for once in (False, True)]
    print_table("Against plain torch: 10,000 splats, 256x256, float32, forward + backward, one thread, CPU time", rows)
    return rows


# ------------------------------------------------------------------------------------------------------- scaling


def scaling_case(count: int, width: int, height: int, radius: float, opacity: tuple[float, float]) -> dict[str, Any]:
    """The whole way from 3D splats to a picture and back, on one thread."""
    splats, camera = random_scene(count, width, height, radius, opacity=opacity)
    pairs = pairs_of(projected(splats, camera))
    leaves = splats.map(lambda t: t.clone().requires_grad_())
    cotangent = torch.randn(height, width, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        forward = measure(lambda: render(splats, camera), 5)
    both = measure(lambda: render(leaves, camera).image.backward(cotangent), 5)
    pixels = width * height
    return {
        "splats": count,
        "size": f"{width}x{height}",
        "radius": radius,
        "pairs/splat": pairs / count,
        "pairs/pixel": pairs / pixels,
        "fwd ms": 1e3 * forward.cpu,
        "both ms": 1e3 * both.cpu,
        "fwd ns/splat": 1e9 * forward.cpu / count,
        "both ns/splat": 1e9 * both.cpu / count,
        "both ns/pixel": 1e9 * both.cpu / pixels,
        "both ns/pair": 1e9 * both.cpu / pairs,
        "peak MB": peak_memory(),
    }


def exponent(rows: list[dict[str, Any]], by: Callable[[dict[str, Any]], float]) -> float:
    """Slope of log time over log size by least squares: 1 is linear."""
    x, y = [math.log(by(row)) for row in rows], [math.log(row["both ms"]) for row in rows]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def scaling_section(data: Path) -> dict[str, Any]:
    counts = (10_000, 30_000, 100_000, 300_000, 1_000_000)
    sizes = ((160, 120), (320, 240), (640, 480), (1280, 960))
    usual, faint = (0.1, 0.7), (0.01, 0.03)  # faint splats hide nothing, so that every one of them is evaluated
    by_splats = [in_own_process(scaling_case, n, 640, 480, 2.5, faint) for n in counts]
    packed = [in_own_process(scaling_case, n, 640, 480, 6 * math.sqrt(100_000 / n), usual) for n in counts]
    by_pixels = [in_own_process(scaling_case, w * h * 100_000 // 307_200, w, h, 6.0, usual) for w, h in sizes]
    splat_slope = exponent(by_splats, lambda row: row["splats"])
    pixel_slope = exponent(by_pixels, lambda row: row["splats"])
    print_table(
        "Scaling in splats, equal pairs a splat (faint splats of 2.5 px; render and its backward, one thread)",
        by_splats,
        f"time ~ splats^{splat_slope:.2f}",
    )
    print_table("Scaling in splats, equal cover of the picture (the radius shrinks as 1/sqrt(splats))", packed)
    print_table(
        "Scaling in pixels, equal pairs a pixel (splats of 6 px, as many a pixel)",
        by_pixels,
        f"time ~ pixels^{pixel_slope:.2f}",
    )
    return {"splats": by_splats, "packed": packed, "pixels": by_pixels, "exponents": [splat_slope, pixel_slope]}


SECTIONS: dict[str, Callable[[Path], Any]] = {
    "kernels": kernels_section,
    "peer": peer_section,
    "scaling": scaling_section,
    "training": training_section,
    "quality": quality_section,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to run")
    default = Path(os.environ.get("GEOKIT_TEST_DATA") or ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default, help="folder of the real data")
    options = parser.parse_args()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, {here['vectors']}; torch {here['torch']}; load {here['load']}")
    if here["load"] > 0.5:
        print("The machine is not idle: these figures are provisional.")
    for section in options.only:
        if section in ("training", "quality") and not (options.data / "splatting" / "fox_colmap").is_dir():
            print(f"\n{section}: skipped, {options.data / 'splatting' / 'fox_colmap'} is not there")
            continue
        path = save("splatting", section, SECTIONS[section](options.data))
        print(f"  -> {path}")


if __name__ == "__main__":
    main()
