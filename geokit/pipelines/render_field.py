"""An image field to a picture of any size."""

from pathlib import Path

import torch

from geokit.errors import InvalidInput
from geokit.fields.storage import load_field
from geokit.io.pictures import save_deep_picture
from geokit.pipelines.outputs import check_free

_BAND = 256  # rows of pixels that are made at once
_MOST = 1 << 31  # values of a picture


def render_field(
    path: str | Path, output: str | Path, scale: float = 1, overwrite: bool = False, bits: int = 8
) -> tuple[int, int]:
    """Render the field of an image, `scale` times as large, into a picture file; returns (height, width).

    bits: of a channel, 8 or 16. Raises `InvalidInput` for a scale or bits that cannot be, a field of something else,
    and where `output` exists, unless `overwrite`; `UnreadableFile`.
    """
    output = Path(output)
    if not 0 < scale < float("inf"):
        raise InvalidInput(f"--scale must be a positive number, got {scale}")
    if bits not in (8, 16):
        raise InvalidInput(f"--bits must be 8 or 16, got {bits}")
    check_free(output, overwrite)
    field = load_field(path)
    if field.dimension != 2:
        raise InvalidInput(f"{path} is not the field of an image; make a mesh of it by geokit mesh")
    width, height = (max(round(side * scale), 1) for side in (field.bounds[1] - field.bounds[0]).tolist())
    if height * width * field.channels > _MOST:
        raise InvalidInput(f"a picture of {width} x {height} pixels is too large; take a smaller --scale")
    white, dtype = (255, torch.uint8) if bits == 8 else (65535, torch.uint16)
    with torch.no_grad():
        bands = [
            (field.raster(height, width, slice(begin, begin + _BAND)).clamp(0, 1) * white).round().to(dtype)
            for begin in range(0, height, _BAND)
        ]
    save_deep_picture(output, torch.cat(bands))
    return height, width
