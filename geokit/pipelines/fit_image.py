"""A picture to a field file, with what it costs and how good it is."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from geokit.errors import InvalidInput
from geokit.fields.field import Field
from geokit.fields.images import fit_image, white_of
from geokit.fields.storage import ENDING, save_field
from geokit.fields.trained_images import MODELS, train_image
from geokit.io.pictures import load_picture
from geokit.pipelines.observer import Observer
from geokit.pipelines.outputs import check_free

COSINES = "cosines"
_SECONDS = 60.0  # of CPU time, for what is trained
_BITS = 2  # a pixel, where nothing else is asked for
_BAND = 256  # rows of pixels that are compared at once


@dataclass(frozen=True)
class FittedImage:
    """The field, its file, and how it compares with the picture (height, width), in pixels.

    psnr: in dB, of values between black and white.
    """

    field: Field
    pixels: tuple[int, int]
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
    model: str = COSINES,
    time_limit: float | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> FittedImage:
    """Fit a picture (`load_picture`) and write the field.

    parameters or size: budget or size of `geokit.fields.fit_image`; without either the file has 2 bits a pixel. model:
    cosines, which are not trained, or one of `geokit.fields.trained_images.MODELS`, which takes parameters (half as
    many as the picture has pixels, where it is not told) and trains for time_limit CPU seconds (60).

    Raises `InvalidInput` for a budget that cannot be, another ending than .field and where `output` exists, unless
    `overwrite`; `UnreadableFile`.
    """
    source, output, observer = Path(source), Path(output), observer or Observer()
    check_output(output, overwrite)
    began, cpu_began = time.monotonic(), time.process_time()
    observer.phase(f"Opening {source}")
    image = load_picture(source)
    if model not in (COSINES, *MODELS):
        raise InvalidInput(f"--model must be one of {', '.join((COSINES, *MODELS))}, got {model!r}")
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise InvalidInput(f"--time-limit must be a number of seconds above 0, got {time_limit}")
    pixels = image.shape[0] * image.shape[1]
    observer.phase(f"Fitting {image.shape[1]} x {image.shape[0]} pixels")
    field: Field
    if model == COSINES:
        if time_limit is not None:
            raise InvalidInput("local cosines are not trained and take no --time-limit; it is for the other models")
        if parameters is None and size is None:
            size = max(pixels * _BITS // 8, 4096)
        field = fit_image(image, parameters, size)
    else:
        if size is not None:
            raise InvalidInput(f"--size is for {COSINES}; give {model} its --parameters")
        seconds = _SECONDS if time_limit is None else time_limit
        budget = pixels // 2 if parameters is None else parameters
        field = train_image(image.to(torch.float32) / white_of(image), model, budget, seconds)
    observer.phase(f"Writing {output}")
    count = save_field(output, field)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    shape, source_bytes = (image.shape[0], image.shape[1]), source.stat().st_size
    return FittedImage(field, shape, output, count, source_bytes, psnr(field, image), seconds, cpu_seconds)


def check_output(output: Path, overwrite: bool) -> None:
    """Raises `InvalidInput` unless a field may be written there."""
    if output.suffix.lower() != ENDING:
        raise InvalidInput(f"{output} must end in {ENDING}, as a field does")
    check_free(output, overwrite)


def psnr(field: Field, image: torch.Tensor) -> float:
    """Of the field against an image (H, W, c), in dB; infinite where they are equal. Values are clamped to [0, 1]."""
    total = 0.0
    for begin in range(0, image.shape[0], _BAND):
        rows = slice(begin, begin + _BAND)
        with torch.no_grad():
            made = field.raster(image.shape[0], image.shape[1], rows).clamp(0, 1)
        total += float((made - image[rows].to(torch.float32) / white_of(image)).double().square().sum())
    return -10 * math.log10(total / image.numel()) if total else math.inf
