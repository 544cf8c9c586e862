"""Pictures with all their bits: grey or colour, 8 or 16 bits, with alpha; arrays that stay on the disk."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from geokit.backend.optional import optional
from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.photographs import load_photograph, opened_picture
from geokit.io.safe import atomic_write, existing_file

ARRAY, TIFFS = ".npy", (".tif", ".tiff")
_DEEP = ("I;16", "I;16B", "I;16L", "I", "F")


def load_picture(path: str | Path) -> Tensor:
    """The picture as (H, W, c), c = 1 grey, 2 grey and alpha, 3 or 4; uint8, uint16, or float32 with 1 for white.

    A .npy file may be (H, W) or (H, W, c) with any c, and is not read into memory until its values are asked for. A
    .tif file keeps its bits where tifffile is installed; pillow reads all else, colours in 8 bits. Raises
    `UnreadableFile` for what is missing, damaged or no picture.
    """
    path = existing_file(path, "picture")
    if path.suffix.lower() == ARRAY:
        return _array(path)
    if path.suffix.lower() in TIFFS and (deep := _deep_tiff(path)) is not None:
        return deep
    with opened_picture(path) as picture:
        mode, bits = picture.mode, picture.info.get("bits", 8)
        if mode in _DEEP:
            grey = np.asarray(ImageOps.exif_transpose(picture))
            if grey.dtype.kind in "iu" and grey.size and grey.min() >= 0 and grey.max() <= 65535:
                return torch.from_numpy(grey.astype(np.uint16))[:, :, None]
        if mode in ("L", "LA"):
            turned = ImageOps.exif_transpose(picture)
            return torch.from_numpy(np.array(turned)).reshape(turned.height, turned.width, -1)
    if bits > 8 or _deep_png(path):
        warnings.warn(
            f"{path}: colours of 16 bits are read with 8; give a .tif or .npy file to keep them", stacklevel=2
        )
    return load_photograph(path)


def save_deep_picture(path: str | Path, pixels: Tensor) -> None:
    """Write (H, W, c) pixels, uint8, uint16 or float in [0, 1] (clamped, as 8 bits), by the ending.

    .png, .tif, .webp and .npy lose nothing, .jpg does. A .png takes c = 1 to 4 with 8 bits, or grey with 16; a .npy
    takes all. Raises `InvalidInput` for what the format cannot hold.
    """
    path = Path(path)
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise InvalidInput(f"a picture must have shape (H, W, c), got {tuple(pixels.shape)}")
    if pixels.is_floating_point():
        pixels = (pixels.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    array = pixels.cpu().contiguous().numpy()
    ending = path.suffix.lower()
    if ending == ARRAY:
        with atomic_write(path) as file:
            np.save(file, array)
        return
    if ending not in (".png", ".jpg", ".jpeg", ".webp", *TIFFS):
        raise InvalidInput(f"{path}: pictures are written as .png, .tif, .jpg, .webp or .npy")
    channels = array.shape[2]
    if array.dtype == np.uint16 and channels > 1:
        if ending not in TIFFS:
            raise InvalidInput(f"{path}: only .tif and .npy hold {channels} channels of 16 bits")
        with atomic_write(path) as file:
            optional("tifffile", "a .tif with 16-bit colours", "surfaces").imwrite(file, array)
        return
    if channels > 4 or (array.dtype == np.uint16 and ending not in (".png", *TIFFS)):
        raise InvalidInput(f"{path}: {channels} channels of {array.dtype} do not fit into {ending}; write a .npy file")
    picture = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
    if kinds[ending] == "JPEG" and channels in (2, 4):
        raise InvalidInput(f"{path}: a .jpg has no transparency; write a .png")
    with atomic_write(path) as file:
        picture.save(file, kinds[ending], quality=95, lossless=True)


def _array(path: Path) -> Tensor:
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFile(f"{path} is not a readable .npy array ({error}); save it again by numpy.save") from error
    kinds = ("uint8", "uint16", "float32", "float64")
    if array.ndim not in (2, 3) or array.dtype.name not in kinds or array.size == 0:
        raise UnreadableFile(
            f"{path} holds {array.dtype} {array.shape}, but a picture is (H, W) or (H, W, c) of {', '.join(kinds)}"
        )
    tensor = torch.from_numpy(array)
    return tensor if tensor.ndim == 3 else tensor[:, :, None]


def _deep_tiff(path: Path) -> Tensor | None:
    """A .tif of 16 bits or floats, on the disk where it is not compressed; None for 8 bits, and without tifffile."""
    try:
        import tifffile
    except ImportError:
        return None
    try:
        try:
            array: np.ndarray = tifffile.memmap(path, mode="c")
        except ValueError:
            array = tifffile.imread(path)
    except Exception as error:  # its decoders let struct.error, KeyError and others through
        raise UnreadableFile(f"{path} is no .tif that can be read ({error}); save it again") from error
    if array.dtype.name not in ("uint16", "float32") or array.ndim not in (2, 3) or array.size == 0:
        return None
    tensor = torch.from_numpy(np.ascontiguousarray(array) if not array.flags.c_contiguous else array)
    return tensor if tensor.ndim == 3 else tensor[:, :, None]


def _deep_png(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(26)
    return head.startswith(b"\x89PNG") and len(head) == 26 and head[24] == 16
