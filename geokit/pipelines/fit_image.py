"""A picture to a field file, with what it costs and how good it is."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from geokit.errors import InvalidInput
from geokit.fields.images import fit_image
from geokit.fields.local_cosine import LocalCosineField
from geokit.fields.storage import ENDING, save_field
from geokit.io.pictures import load_picture
from geokit.pipelines.observer import Observer

_BITS = 2  # a pixel, where nothing else is asked for
_BAND = 256  # rows of pixels that are compared at once


@dataclass(frozen=True)
class FittedImage:
    """The field, its file, and how it compares with the picture. psnr: in dB, of values between black and white."""

    field: LocalCosineField
    output: Path
    bytes: int
    source_bytes: int
    psnr: float
    seconds: float
    cpu_seconds: float


def fit_image_file(
    source: str | Path,
    output: str | Path,
    *,
    parameters: int | None = None,
    size: int | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> FittedImage:
    """Fit a picture (`load_picture`) and write the field.

    parameters or size: budget or size of `geokit.fields.fit_image`; without either the file has 2 bits a pixel.

    Raises `InvalidInput` for a budget that cannot be, another ending than .field and where `output` exists, unless
    `overwrite`; `UnreadableFile`.
    """
    source, output, observer = Path(source), Path(output), observer or Observer()
    check_output(output, overwrite)
    began, cpu_began = time.monotonic(), time.process_time()
    observer.phase(f"Opening {source}")
    image = load_picture(source)
    if parameters is None and size is None:
        size = max(image.shape[0] * image.shape[1] * _BITS // 8, 4096)
    observer.phase(f"Fitting {image.shape[1]} x {image.shape[0]} pixels")
    field = fit_image(image, parameters, size)
    observer.phase(f"Writing {output}")
    count = save_field(output, field)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    return FittedImage(field, output, count, source.stat().st_size, psnr(field, image), seconds, cpu_seconds)


def check_output(output: Path, overwrite: bool) -> None:
    """Raises `InvalidInput` unless a field may be written there."""
    if output.suffix.lower() != ENDING:
        raise InvalidInput(f"{output} must end in {ENDING}, as a field does")
    if output.exists() and not overwrite:
        raise InvalidInput(f"{output} exists already; choose another name, or replace it with --overwrite")


def psnr(field: LocalCosineField, image: torch.Tensor) -> float:
    """Of the field against an image (H, W, c), in dB; infinite where they are equal. Values are clamped to [0, 1]."""
    white = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(image.dtype, 1.0)
    total = 0.0
    with torch.no_grad():
        for begin in range(0, image.shape[0], _BAND):
            rows = image[begin : begin + _BAND].to(torch.float32) / white
            made = field.raster(rows=slice(begin, begin + _BAND)).clamp(0, 1)
            total += float((made - rows).double().square().sum())
    return -10 * math.log10(total / image.numel()) if total else math.inf
