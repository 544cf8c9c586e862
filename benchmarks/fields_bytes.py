"""Images at given numbers of bytes: PSNR of coded local cosines beside JPEG, WebP and AVIF of Pillow."""

import io
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, print_table
from PIL import Image

from geokit.fields.images import fit_image
from geokit.fields.storage import load_field, save_field

DATA = ROOT.parent / "shared" / "data" / "images"
IMAGES = ["astronaut", *(f"kodim{number:02}" for number in range(1, 24, 2))]
BITS = [0.25, 0.5, 1.0, 2.0, 3.0, 4.0]
CODECS: dict[str, tuple[str, list[dict[str, Any]]]] = {  # every setting is tried, the best counts
    "JPEG": ("JPEG", [{"subsampling": s, "optimize": True, "progressive": True} for s in (0, 2)]),
    "WebP": ("WEBP", [{"method": 6}]),
    "AVIF": ("AVIF", [{"speed": 8, "subsampling": s} for s in ("4:4:4", "4:2:0")]),
}


def section() -> list[dict[str, Any]]:
    rows = []
    for bits in BITS:
        found = [compared(name, bits) for name in IMAGES]
        row: dict[str, Any] = {"bits a pixel": bits, "images": len(found)}
        for key in found[0]:
            values = [one[key] for one in found]
            row[key] = statistics.mean(values) if all(map(math.isfinite, values)) else None
        rows.append(row)
    shown = [{k: f"{v:.2f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    print_table("images: mean PSNR at a size that none exceeds", shown, "empty: not all images reach that few bytes")
    return rows


def compared(name: str, bits: float) -> dict[str, float]:
    picture = Image.open(DATA / f"{name}.png").convert("RGB")
    pixels = np.asarray(picture)
    most = int(pixels.shape[0] * pixels.shape[1] * bits / 8)
    row = {"ours": ours(pixels, most)}
    for codec, (kind, settings) in CODECS.items():
        began = time.process_time()
        row[codec] = max(largest_quality(picture, pixels, kind, most, one) for one in settings)
        row[f"{codec} CPU s"] = time.process_time() - began
    return row


def ours(pixels: np.ndarray, most: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.field"
        assert save_field(path, fit_image(torch.from_numpy(pixels.copy()), size=most)) <= most
        made = load_field(path).raster().detach().clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    return psnr(pixels, made)


def largest_quality(picture: Image.Image, pixels: np.ndarray, kind: str, most: int, options: dict[str, Any]) -> float:
    low, high, best = 0, 100, -math.inf
    while low <= high:
        middle = (low + high) // 2
        file = io.BytesIO()
        picture.save(file, kind, quality=middle, **options)
        if file.tell() <= most:
            best = max(best, psnr(pixels, np.asarray(Image.open(file).convert("RGB"))))
            low = middle + 1
        else:
            high = middle - 1
    return best


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * math.log10(float(np.square(a.astype(float) - b.astype(float)).mean()) / 255**2)
