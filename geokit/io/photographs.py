"""Photographs and pictures: pixels in, pixels out, by pillow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.safe import atomic_write, existing_file

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
_EXIF_ORIENTATION = 0x0112
_EXIF_CAMERA = (0x010F, 0x0110)  # make and model
_EXIF_DETAILS, _EXIF_FOCAL = 0x8769, (0x920A, 0xA405)  # focal length in mm, and as of 35 mm film
_TURNED = (5, 6, 7, 8)  # the orientations that swap width and height


def is_photograph(path: Path) -> bool:
    """Whether the name ends like a photograph's and is not hidden."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


@contextmanager
def opened_picture(path: str | Path) -> Iterator[Image.Image]:
    """The picture behind `path`, its header read; every failure of pillow inside becomes one sentence."""
    path = existing_file(path, "photograph")
    try:
        with Image.open(path) as picture:
            yield picture
    except UnreadableFile:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableFile(
            f"{path} is not a picture that can be read; replace it or take it out of the capture"
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableFile(f"{path} has more pixels than is safe to open ({error}); make it smaller") from error
    except Exception as error:  # pillow's decoders let struct.error, IndexError, SyntaxError and others through
        raise UnreadableFile(
            f"{path} is damaged or truncated ({error}); copy it again or take it out of the capture"
        ) from error


def _turned(picture: Image.Image, size: tuple[int, int] | None) -> bool:
    """Whether the EXIF orientation is to be applied so that the picture has the wanted (width, height)."""
    if size is not None and (picture.size == size or picture.size != (size[1], size[0])):
        return False  # and EXIF is not asked for: of a .png that would decode all pixels
    orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
    return orientation != 1 if size is None else orientation in _TURNED


def photograph_size(path: str | Path, size: tuple[int, int] | None = None) -> tuple[int, int]:
    """(width, height) that `load_photograph(path, size)` would give, from the header alone."""
    with opened_picture(path) as picture:
        width, height = picture.size
        swaps = _turned(picture, size) and picture.getexif().get(_EXIF_ORIENTATION) in _TURNED
        return (height, width) if swaps else (width, height)


def lens_marks(path: str | Path) -> tuple[str, ...]:
    """What tells whether two photographs were taken through the same lens: stored size and, of a .jpg, EXIF marks."""
    with opened_picture(path) as picture:
        marks = [str(picture.size)]
        if picture.format == "JPEG":
            exif = picture.getexif()
            marks += [str(exif.get(key)) for key in _EXIF_CAMERA]
            marks += [str(exif.get_ifd(_EXIF_DETAILS).get(key)) for key in _EXIF_FOCAL]
        return tuple(marks)


def load_photograph(path: str | Path, size: tuple[int, int] | None = None) -> Tensor:
    """The photograph as uint8 (H, W, 3), or (H, W, 4) with straight alpha when it has transparency.

    size: the (width, height) of the camera that took it. Structure-from-motion tools calibrate the pixels as they are
    stored, so a picture that already has this size is not turned; one whose EXIF orientation makes it that size is.
    Without `size` the EXIF orientation is applied, as a viewer would.

    Raises `UnreadableFile` when the file is missing, truncated or no picture.
    """
    with opened_picture(path) as picture:
        turned = ImageOps.exif_transpose(picture) if _turned(picture, size) else picture
        if turned.mode.startswith(("I", "F")):
            pixels = _eight_bit(np.asarray(turned), Path(path))
            return torch.from_numpy(np.repeat(pixels[..., None], 3, axis=2))
        transparent = turned.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in turned.info
        return torch.from_numpy(np.array(turned.convert("RGBA" if transparent else "RGB")))


def _eight_bit(grey: np.ndarray, path: Path) -> np.ndarray:
    """16-bit grey scale to 8 bits; other deep pixels have no agreed range."""
    if grey.dtype.kind not in "iu" or grey.size == 0 or grey.min() < 0 or grey.max() > 65535:
        raise UnreadableFile(
            f"{path} holds {grey.dtype} pixels, which have no agreed range; save it with 8 bits a channel"
        )
    return np.asarray((grey.astype(np.float32) / 257).round(), np.uint8)


def save_picture(path: str | Path, pixels: Tensor) -> None:
    """Write (H, W, 3) pixels, uint8 or float in [0, 1] (clamped), as .png or .jpg by the ending, atomically."""
    path = Path(path)
    if pixels.dim() != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise InvalidInput(f"a picture must have shape (H, W, 3), got {tuple(pixels.shape)}")
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    if path.suffix.lower() not in kinds:
        raise InvalidInput(f"{path}: pictures are written as .png or .jpg, not {path.suffix or 'without an ending'}")
    if pixels.is_floating_point():
        pixels = (pixels.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    picture = Image.fromarray(pixels.cpu().contiguous().numpy())
    with atomic_write(path) as file:
        picture.save(file, kinds[path.suffix.lower()], quality=95)
