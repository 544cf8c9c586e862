"""Images at given numbers of parameters: PSNR and CPU seconds of local cosines, which are not trained."""

import statistics
import time
from typing import Any

import torch
from common import ROOT, print_table

from geokit.fields.images import fit_image
from geokit.io.pictures import load_picture

DATA = ROOT.parent / "shared" / "data" / "images"
KODAK = [f"kodim{number:02}" for number in range(1, 24, 2)]
BUDGETS = [("kodak", 207_000), ("kodak", 341_000), ("astronaut", 200_000), ("astronaut", 476_000), ("kodim23", 476_000)]


def section() -> list[dict[str, Any]]:
    rows = []
    for name, budget in BUDGETS:
        found = [fitted(one, budget) for one in (KODAK if name == "kodak" else [name])]
        rows.append({"image": name if len(found) == 1 else f"mean of {len(found)} Kodak images", "budget": budget})
        rows[-1] |= {key: statistics.mean(row[key] for row in found) for key in found[0]}
        rows[-1]["parameters"] = round(rows[-1]["parameters"])
    print_table("images: local cosines", [row | {"PSNR": f"{row['PSNR']:.2f}"} for row in rows])
    return rows


def fitted(name: str, budget: int) -> dict[str, Any]:
    image = load_picture(DATA / f"{name}.png")
    began = time.process_time()
    field = fit_image(image, budget)
    seconds = time.process_time() - began
    with torch.no_grad():
        error = float((field.raster() - image / 255).double().square().mean())
    return {"parameters": field.parameter_count, "PSNR": -10 * torch.tensor(error).log10().item(), "CPU s": seconds}
