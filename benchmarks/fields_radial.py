"""Radial fields: the speed of their operator, least-squares starts, and an image from its gradients alone.

    python benchmarks/fields_radial.py [speed|images|gradients ...]

speed: 512 x 512 pixels with 13 pairs each, float32, against the same sums in plain torch over the same pairs, gathered
pair by pair; images: astronaut (512 x 512) from kernels by weighted k-means, least squares, then descent; gradients:
camera (512 x 512) from its central differences alone, up to a constant.
"""

import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import print_table, save
from radial_formula import sum_by_formula
from torch import Tensor

from geokit.backend.radial_ops import radial_sum
from geokit.backend.radial_pairs import radial_pairs
from geokit.fields.initialise import image_weights, kernels_for_budget, kernels_from_samples
from geokit.fields.radial import RadialField
from geokit.fields.radial_fit import features_by_least_squares, fit_radial
from geokit.io.photographs import load_photograph

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
IMAGES = Path(os.environ.get("GEOKIT_TEST_DATA", SHARED)) / "images"
SIDE, PAIRS, KERNELS, SUPPORT = 512, 13, 10000, 4.0


def milliseconds(function: Callable[[], object], repeats: int = 5) -> float:
    """The median CPU time of a call, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        begin = time.process_time()
        function()
        times.append(1e3 * (time.process_time() - begin))
    return sorted(times[1:])[repeats // 2]


def pixels(height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows], 2).reshape(-1, 2).float() + 0.5


def image(name: str) -> Tensor:
    return load_photograph(IMAGES / name).float() / 255


def decibels(found: Tensor, wanted: Tensor) -> float:
    return round(-10 * math.log10(float((found - wanted).square().mean())), 2)


def gathered(x: Tensor, shapes: Tensor, features: Tensor, owners: tuple[Tensor, Tensor]) -> Tensor:
    """Values of inverse quadratics in plain torch, as few operations as there can be."""
    queries, kernels = owners
    y = x[queries] - shapes[kernels, :2]
    a = shapes[kernels, 2:]
    s = (a[:, 0] * y[:, 0]).square() + (a[:, 1] * y[:, 0] + a[:, 2] * y[:, 1]).square()
    v = (s / SUPPORT**2).clamp(max=1)
    phi = (1 - v) ** 4 * (1 + v * (4 + v * (10 + 20 * v))) / (1 + s)
    return x.new_zeros(len(x), features.shape[1]).index_add(0, queries, phi[:, None] * features[kernels])


def speed() -> list[dict[str, object]]:
    g = torch.Generator().manual_seed(0)
    pixel_rows = pixels(SIDE, SIDE)
    scale = SUPPORT / math.sqrt(PAIRS * SIDE**2 / KERNELS / math.pi)
    factors = scale * torch.cat([torch.ones(KERNELS, 1), torch.zeros(KERNELS, 1), torch.ones(KERNELS, 1)], 1)
    factors[:, 1] = 0.2 * scale * torch.randn(KERNELS, generator=g)
    shapes = torch.cat([SIDE * torch.rand(KERNELS, 2, generator=g), factors], 1)
    rows = []
    orders = {"pixels": pixel_rows, "any order": pixel_rows[torch.randperm(SIDE**2, generator=g)]}
    for points, x in orders.items():
        pairs = radial_pairs(x, shapes[:, :2], factors, SUPPORT)
        owners = pairs.owners()
        row: dict[str, object] = {"points": points, "what": "search for pairs", "pairs": len(pairs)}
        row["forward ms"] = milliseconds(lambda x=x: radial_pairs(x, shapes[:, :2], factors, SUPPORT))
        rows.append(row)
        for channels in (1, 3, 16):
            features = torch.randn(KERNELS, channels, generator=g).requires_grad_()
            leaves = (shapes.clone().requires_grad_(), features)
            for order, name in enumerate(("values", "and slopes", "and Laplacians")):
                if channels == 16 and order:
                    continue

                def native(x=x, order=order, leaves=leaves, pairs=pairs) -> Tensor:
                    return radial_sum(x, *leaves, pairs, "inverse_quadratic", SUPPORT, order)

                def formula(x=x, order=order, leaves=leaves, owners=owners) -> Tensor:
                    if order == 0:
                        return gathered(x, *leaves, owners)[:, None]
                    return sum_by_formula(x, *leaves, owners, "inverse_quadratic", SUPPORT, order, None, False)

                row = {"points": points, "what": f"{channels} channels, {name}", "pairs": len(pairs)}
                for label, function in (("", native), ("torch ", formula)):
                    if label and (points != "pixels" or channels != 3 or order == 2):
                        continue
                    out = function()
                    bar = torch.randn(out.shape, generator=g)
                    repeats = 1 if label else 7
                    with torch.no_grad():
                        row[f"{label}forward ms"] = milliseconds(function, repeats)
                    row[f"{label}backward ms"] = milliseconds(
                        lambda out=out, bar=bar, leaves=leaves: torch.autograd.grad(
                            out, leaves, bar, retain_graph=True
                        ),
                        repeats,
                    )
                rows.append(row)
    return rows


def images() -> list[dict[str, object]]:
    picture = image("astronaut.png")
    x, wanted = pixels(*picture.shape[:2]), picture.reshape(-1, 3)
    bounds = torch.tensor([[0.0, 0.0], [picture.shape[1], picture.shape[0]]])
    rows = []
    for budget, neighbours, kernel, seconds in (
        (173_000, 13, "inverse_quadratic", 0), (173_000, 13, "wendland4", 0), (173_000, 25, "wendland4", 0),
        (173_000, 13, "wendland4", 20), (173_000, 13, "wendland4", 60), (476_000, 13, "wendland4", 60),
    ):  # fmt: skip
        begin = time.process_time()
        count = kernels_for_budget(budget, 2, 3, bias=3)
        made = kernels_from_samples(x, image_weights(picture).flatten(), count, 3, kernel, neighbours=neighbours)
        field = RadialField(bounds, made)
        clusters = time.process_time() - begin
        if seconds:
            fit_radial(field, x, wanted, cpu_seconds=seconds)
        else:
            features_by_least_squares(field, x, wanted, steps=30)
        total = time.process_time() - begin
        with torch.no_grad():
            quality = decibels(field(x), wanted)
        rows.append({
            "parameters": field.parameter_count, "kernel": kernel, "neighbours": neighbours,
            "fit": f"descent {seconds} s" if seconds else "least squares", "dB": quality,
            "k-means s": clusters, "all CPU s": total,
        })  # fmt: skip
        print(f"  ... {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def gradients() -> list[dict[str, object]]:
    picture = image("camera.png").mean(2, keepdim=True)
    height, width = picture.shape[:2]
    x, wanted = pixels(height, width), picture.reshape(-1, 1)
    by_rows, by_columns = torch.gradient(picture[:, :, 0])
    slopes = torch.stack([by_columns, by_rows], 2).reshape(-1, 1, 2)
    rows = []
    for share, steps in [(0.5, 180)]:
        begin = time.process_time()
        weights = slopes[:, 0].norm(dim=1)  # of the gradients alone, too
        made = kernels_from_samples(x, weights, int(share * len(x)), 1, "wendland4", neighbours=20)
        field = RadialField(torch.tensor([[0.0, 0.0], [width, height]]), made, normalised=True)
        # Conjugate gradients carry a value a kernel further each step: fewer and wider kernels go ahead.
        some = torch.arange(len(x)).view(height, width)[::2, ::2].flatten()
        wide = kernels_from_samples(x[some], weights[some], 12000, 1, "wendland4", neighbours=20)
        ahead = RadialField(field.bounds, wide, normalised=True)
        features_by_least_squares(ahead, x[some], gradients=slopes[some], ridge=1e-9, steps=200)
        with torch.no_grad():
            field.kernels.features.copy_(ahead(field.kernels.centres))
        told = features_by_least_squares(field, x, gradients=slopes, ridge=1e-9, steps=steps)
        with torch.no_grad():
            found = field(x)
        rows.append({
            "kernels": len(made), "steps": told.steps, "CPU s": time.process_time() - begin,
            "dB up to a constant": decibels(found - found.mean() + wanted.mean(), wanted),
        })  # fmt: skip
        print(f"  ... {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def main() -> None:
    torch.set_num_threads(1)
    parts = {"speed": speed, "images": images, "gradients": gradients}
    for name in sys.argv[1:] or parts:
        rows = parts[name]()
        columns = dict.fromkeys(key for row in rows for key in row)
        print_table(name, [{column: row.get(column) for column in columns} for row in rows])
        save("fields_radial", name, rows)


if __name__ == "__main__":
    main()
