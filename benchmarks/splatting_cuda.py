"""Splatting on a GPU, measured: geokit beside gsplat on the same scenes, and how far each of geokit's stages is from
what the GPU can do.

    python benchmarks/splatting_cuda.py [--splats N ...] [--size WIDTHxHEIGHT ...] [--run FOLDER]

Medians of interleaved repetitions after warm-up, by events on the stream. --run: also the scene of a folder that geokit
reconstruct made, from its first held-out camera. The results also go to benchmarks/results/splatting_cuda.json.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from city_scene import city, street_camera
from common import print_table, save
from gpu_clock import copy_bandwidth, fma_rate, gpu, interleaved, peak_megabytes, peer, the_gpu
from splatting_scenes import Screen, projected
from torch import Tensor

from geokit.backend.splatting_ops import forget_binning, project, rasterize, spherical_harmonics, tile_intersections
from geokit.geometry import Cameras, Splats
from geokit.io import load_splats
from geokit.pipelines.camera_files import named_cameras
from geokit.pipelines.run_folder import RunFolder
from geokit.pipelines.settings import load_settings
from geokit.splatting import render

SPLATS, SIZES = (1_000_000, 5_000_000), ((1920, 1080), (640, 480))
AGREE = 0.01  # the most that two pictures may differ on average: gsplat cuts splats at 3.33 standard deviations
TILE_PIXELS = 256
Picture = Callable[[Splats, Cameras], Tensor]


def geokit_picture(splats: Splats, camera: Cameras) -> Tensor:
    return render(splats, camera).image


def gsplat_picture(splats: Splats, camera: Cameras, packed: bool = True) -> Tensor:
    """The same inputs: logarithms and logits, as they are trained."""
    width, height = camera.sizes[0]
    return peer().rasterization(
        splats.means,
        splats.quats,
        splats.log_scales.exp(),
        splats.logit_opacities.sigmoid(),
        splats.sh_coeffs,
        camera.world_to_camera.float(),
        camera.K.float(),
        width,
        height,
        sh_degree=splats.sh_degree,
        packed=packed,
    )[0][0]


def peers() -> dict[str, Picture]:
    return {"gsplat": gsplat_picture, "gsplat, not packed": partial(gsplat_picture, packed=False)}


def both_ways(picture: Picture, splats: Splats, camera: Cameras) -> tuple[Callable[[], None], Callable[[], None]]:
    """A picture, and from it the gradients of all that is trained; and what drops all that this leaves behind."""
    leaves = splats.map(lambda t: t.detach().clone().requires_grad_())
    width, height = camera.sizes[0]
    cotangent = torch.randn(height, width, 3, generator=torch.Generator().manual_seed(0)).to(splats.means.device)

    def without_gradients() -> None:
        for leaf in leaves.tensors().values():
            leaf.grad = None

    def both() -> None:
        without_gradients()
        picture(leaves, camera).backward(cotangent)

    def clear() -> None:
        without_gradients()
        forget_binning()

    return both, clear


def compared(
    name: str, splats: Splats, camera: Cameras, others: dict[str, Picture], repeats: int = 15
) -> list[dict[str, Any]]:
    """geokit and others on one scene: a row each. What carries waves is geokit's alone."""
    device, pictures = splats.means.device, {"geokit": geokit_picture} | ({} if splats.waves else others)

    def forward(picture: Picture) -> Callable[[], None]:
        def run() -> None:
            forget_binning()
            with torch.no_grad():
                picture(splats, camera)

        return run

    ways = {
        "forward": {who: (forward(picture), forget_binning) for who, picture in pictures.items()},
        "both": {who: both_ways(picture, splats, camera) for who, picture in pictures.items()},
    }
    taken, held = {}, {}
    for way, functions in ways.items():
        taken[way] = interleaved({who: run for who, (run, _) in functions.items()}, device, repeats)
        held[way] = {who: peak_megabytes(run, clear, device) for who, (run, clear) in functions.items()}
    with torch.no_grad():
        ours = geokit_picture(splats, camera)
        apart = {who: float((picture(splats, camera) - ours).abs().mean()) for who, picture in pictures.items()}
    if max(apart.values()) > AGREE:
        raise SystemExit(f"the pictures of {name} differ by {apart}: nothing to compare")
    width, height = camera.sizes[0]
    scene = {"scene": name, "splats": len(splats), "waves": splats.waves, "size": f"{width}x{height}"}
    return [
        scene
        | {
            "who": who,
            "forward ms": taken["forward"][who],
            "both ms": taken["both"][who],
            "forward x": taken["forward"][who] / taken["forward"]["geokit"],
            "both x": taken["both"][who] / taken["both"]["geokit"],
            "forward MB": held["forward"][who],
            "both MB": held["both"][who],
            "forward MB x": ratio(held["forward"][who], held["forward"]["geokit"]),
            "both MB x": ratio(held["both"][who], held["both"]["geokit"]),
            "difference": apart[who],
        }
        for who in pictures
    ]


def ratio(value: float | None, of: float | None) -> float | None:
    """None of what was not measured."""
    return None if value is None or not of else value / of


def beside_gaussians(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, those with waves with how many times as long they took as the Gaussians of their number and size."""

    def case(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["who"], row["scene"], row["splats"], row["size"]

    plain = {case(row): row for row in rows if not row["waves"]}

    def of_gaussian(row: dict[str, Any], way: str) -> float | None:
        return ratio(row[way], plain[case(row)][way]) if row["waves"] and case(row) in plain else None

    return [
        row | {f"{way} x of Gaussian": of_gaussian(row, f"{way} ms") for way in ("forward", "both")} for row in rows
    ]


# ---------------------------------------------------------------------------------------------------------- stages


def costs(screen: Screen, degree: int, entries: int) -> dict[str, tuple[float, float]]:
    """Bytes and operations of each stage in float32, by formula. ' is backward.

    Lists: a splat is written once and sorted in four passes over 8 bytes, an entry in two over 6. Rasterizer: every
    pixel of a tile meets every splat of its list, which is the most that can be: rows that are covered stop earlier.
    """
    n, seen, k = len(screen.depths), int((screen.depths > 0).sum()), screen.waves.shape[1]
    pixels, pairs = screen.width * screen.height, entries * TILE_PIXELS
    coefficients = 12 * (degree + 1) ** 2
    splat = 36 + 16 * k
    return {
        "project": (n * (44 + 28 + 24 * k), 250.0 * seen),
        "harmonics": (seen * coefficients + n * 25, 8.0 * seen * (degree + 1) ** 2),
        "lists": (140 * n + 34 * entries, 0.0),
        "rasterize": (entries * (4 + splat) + 16 * pixels, pairs * (22.0 + 18 * k)),
        "rasterize'": (entries * (4 + 2 * splat) + 32 * pixels, pairs * (64.0 + 40 * k)),
        "harmonics'": (seen * coefficients + n * (36 + coefficients), 20.0 * seen * (degree + 1) ** 2),
        "project'": (n * (44 + 4 + 28 + 40 + 36 * k), 600.0 * seen),
    }


def stage_functions(splats: Splats, camera: Cameras) -> tuple[dict[str, Callable[[], object]], Screen, int]:
    """Every stage alone, on what the stages before gave; the screen, and the entries of its lists."""
    screen, camera = projected(splats, camera), camera.to(splats.means.device)
    leaf = {name: t.detach().clone().requires_grad_() for name, t in splats.tensors().items()}
    scales = splats.log_scales.exp().requires_grad_()
    K, pose = camera.K[0].float(), camera.world_to_camera[0].float()
    intrinsics = torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
    size = screen.width, screen.height
    spread = screen.opacities * (1 + splats.wave_weights.norm(dim=2).sum(1))
    inputs = leaf["means"], leaf["quats"], scales, leaf["wave_frequencies"]
    directions = (splats.means - camera.centers[0].float()).requires_grad_()
    on_screen = screen.with_gradients()

    def project_() -> tuple[Tensor, ...]:
        return project(*inputs, spread, pose, intrinsics, *size)

    def harmonics() -> Tensor:
        return spherical_harmonics(splats.sh_degree, directions, leaf["sh_coeffs"], screen.depths > 0)

    def blend() -> Tensor:
        return rasterize(*on_screen.arguments(), median=False)[0]

    def backward(outputs: Any, sources: list[Tensor]) -> Callable[[], object]:
        kept = [t for t in (outputs if isinstance(outputs, tuple) else (outputs,)) if t.requires_grad]
        bars = [torch.ones_like(t) for t in kept]
        return lambda: torch.autograd.grad(kept, sources, bars, retain_graph=True, allow_unused=True)

    blended = [t for t in on_screen.arguments() if isinstance(t, Tensor) and t.requires_grad and t.numel()]
    lists = partial(tile_intersections, screen.means2d, screen.conics, screen.depths, spread, *size)
    functions = {
        "project": torch.no_grad()(project_),
        "harmonics": torch.no_grad()(harmonics),
        "lists": lists,
        "rasterize": torch.no_grad()(blend),  # the lists are remembered
        "rasterize'": backward(blend(), blended),
        "harmonics'": backward(harmonics(), [directions, leaf["sh_coeffs"]]),
        "project'": backward(project_(), [t for t in inputs if t.numel()]),
    }
    return functions, screen, len(lists()[1])


def staged(
    name: str, splats: Splats, camera: Cameras, bandwidth: float, rate: float, repeats: int = 15
) -> list[dict[str, Any]]:
    """Every stage of geokit: milliseconds, and what part they are of the least that its bytes or operations take."""
    functions, screen, entries = stage_functions(splats, camera)
    taken = {stage: interleaved({stage: f}, splats.means.device, repeats)[stage] for stage, f in functions.items()}
    rows = []
    for stage, (count, operations) in costs(screen, splats.sh_degree, entries).items():
        by_bytes, by_operations = 1e3 * count / bandwidth, 1e3 * operations / rate
        rows.append(
            {
                "scene": name,
                "splats": len(splats),
                "waves": splats.waves,
                "size": f"{screen.width}x{screen.height}",
                "stage": stage,
                "ms": taken[stage],
                "MB": count / 1e6,
                "Mop": operations / 1e6,
                "limit": "bytes" if by_bytes > by_operations else "operations",
                "of the limit": max(by_bytes, by_operations) / taken[stage],
                "M entries": entries / 1e6,
            }
        )
    return rows


# ----------------------------------------------------------------------------------------------------------- scenes


def scenes(counts: list[int], sizes: list[tuple[int, int]], run: Path | None) -> Any:
    """Name, splats and camera of every case; Gabor beside its Gaussians."""
    for count in counts:
        for waves in (0, 2):
            splats = city(count, waves)
            for size in sizes:
                yield "city", splats, street_camera(*size)
    if run is not None:
        settings = load_settings(RunFolder(run).config)
        camera = named_cameras("test", settings)[0]
        for width, _ in sizes:
            yield run.name, load_splats(RunFolder(run).splats), camera.scaled(width / camera.sizes[0][0])


def measured(
    device: torch.device,
    others: dict[str, Picture],
    counts: list[int],
    sizes: list[tuple[int, int]],
    run: Path | None = None,
    repeats: int = 15,
) -> dict[str, Any]:
    bandwidth, rate = copy_bandwidth(device), fma_rate(device)
    comparison, stages = [], []
    for name, splats, camera in scenes(counts, sizes, run):
        there = splats.to(device), camera.to(device)
        comparison += compared(name, *there, others, repeats)
        stages += staged(name, *there, bandwidth, rate, repeats)
        forget_binning()
    comparison = beside_gaussians(comparison)
    print_table(
        "A picture, and a picture with its gradients (x: times as long as geokit, MB x: times its memory)", comparison
    )
    print_table(
        "geokit's stages alone (' = backward)",
        stages,
        f"measured here: {bandwidth / 1e9:,.0f} GB/s of a copy, {rate / 1e12:.3g} Tflop/s of a product in float32",
    )
    return {"gpu": gpu(device), "bytes/s": bandwidth, "flop/s": rate, "comparison": comparison, "stages": stages}


def size_of(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splats", nargs="+", type=int, default=list(SPLATS))
    parser.add_argument("--size", nargs="+", type=size_of, default=list(SIZES), metavar="WIDTHxHEIGHT")
    parser.add_argument("--run", type=Path, help="a folder that geokit reconstruct made")
    options = parser.parse_args()
    device = the_gpu()
    print(f"{gpu(device)['name']}; gsplat {peer().__version__}; torch {torch.__version__}")
    found = measured(device, peers(), options.splats, options.size, options.run)
    print(f"  -> {save('splatting_cuda', 'kernels', found)}")


if __name__ == "__main__":
    main()
