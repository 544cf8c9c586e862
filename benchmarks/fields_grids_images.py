"""One photograph, astronaut 512 x 512, by grids and by plain networks at equal CPU seconds on one thread."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, in_own_process, print_table
from PIL import Image
from torch import Tensor

from geokit.fields import (
    Field,
    FourierField,
    GridField,
    SirenField,
    adaptive_resolutions,
    cells_of,
    fit_network,
    grid_cells,
    image_samples,
    squared_error,
)

SECONDS = 60.0
SMALL, LARGE = 173_000, 476_000
LEVELS = 8


def photograph(name: str) -> Tensor:
    """(H, W, 3) float32 in [0, 1]."""
    folder = Path(os.environ.get("GEOKIT_TEST_DATA", ROOT.parent / "shared" / "data")) / "images"
    return torch.from_numpy(np.asarray(Image.open(folder / f"{name}.png").convert("RGB")).astype(np.float32) / 255)


def box(image: Tensor) -> Tensor:
    return torch.tensor([[0.0, 0.0], [image.shape[1], image.shape[0]]])


def grid(image: Tensor, parameters: int, resolutions: Any = None, **options: Any) -> GridField:
    """A grid whose finest cells are pixels, or 1.25 pixels where there are few parameters."""
    finest = max(image.shape[:2]) * (10 if parameters > image[..., 0].numel() else 8) // 10
    cells = grid_cells(box(image), LEVELS, 16, finest) if resolutions is None else cells_of(box(image), resolutions)
    return GridField.with_budget(box(image), 3, parameters, cells=cells, **options)


def adapted(image: Tensor, parameters: int) -> GridField:
    rows = parameters // 2 // LEVELS
    return grid(image, parameters, adaptive_resolutions(image, LEVELS, rows, 16, max(image.shape[:2]) * 8 // 10))


MODELS: dict[str, tuple[Callable[[Tensor], Field], dict[str, Any]]] = {
    "grid, 476k": (lambda image: grid(image, LARGE), {"batch": 8192}),
    "grid, 173k": (lambda image: grid(image, SMALL), {"batch": 8192}),
    "grid of chosen resolutions, 173k": (lambda image: adapted(image, SMALL), {"batch": 8192}),
    "grid of three metrics, 173k": (
        lambda image: grid(image, SMALL, metrics=("linear", "sine", "arcsine")),
        {"batch": 8192},
    ),
    "SIREN 256 x 4": (lambda image: SirenField(box(image), 3, 256, 4), {"batch": 4096, "rate": 3e-4}),
    "Fourier features 256 x 3": (
        lambda image: FourierField(box(image), 3, 128, 10.0, 256, 3),
        {"batch": 4096, "rate": 1e-3},
    ),
}


def row(model: str, seconds: float, name: str = "astronaut") -> dict[str, Any]:
    image = photograph(name)
    make, options = MODELS[model]
    field = make(image)
    fit = fit_network(field, image, cpu_seconds=seconds, **options)
    return {
        "image": name,
        "field": model,
        "parameters": field.parameter_count,
        "CPU s": fit.cpu_seconds,
        "steps": fit.steps,
        "PSNR dB": -10 * math.log10(squared_error(field, *image_samples(image))),
    }


def section() -> list[dict[str, Any]]:
    rows = [in_own_process(row, model, SECONDS) for model in MODELS]
    print_table("A photograph by fields at equal CPU seconds, one thread", rows)
    return rows
