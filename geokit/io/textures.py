"""The picture on a mesh: confined to the mesh's folder, capped, and never a reason to lose the mesh."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from geokit.errors import UnreadableFile
from geokit.io.safe import confined_path, read_bytes

_FREE_PIXELS = 1 << 22  # a picture of so many may come of any file
_PIXELS_PER_BYTE = 64  # larger ones must have some substance


def load_texture(mesh_path: Path, name: str) -> np.ndarray | None:
    """The picture `name` beside `mesh_path` as float32 (H, W, 3) or (H, W, 4) in [0, 1].

    None, with a warning that gives the reason, where it is missing, damaged or outside the folder of the mesh.
    """
    name = name.strip().strip('"').replace("\\\\", "/").replace("\\", "/")
    try:
        if not name or "://" in name:
            raise UnreadableFile(f"{name!r} is no file beside it")
        picture = confined_path(mesh_path.parent, name, mesh_path)
        return decode_texture(read_bytes(picture, "texture"), str(picture))
    except UnreadableFile as error:
        warnings.warn(f"{mesh_path}: its texture was left out: {error}", stacklevel=5)
        return None


def decode_texture(content: bytes, name: str) -> np.ndarray:
    """The pixels of a picture as `load_texture` gives them; `UnreadableFile` when it is damaged or a bomb."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
            if not 0 < width * height <= max(_FREE_PIXELS, _PIXELS_PER_BYTE * len(content)):
                raise UnreadableFile(f"{name} says it has {width} x {height} pixels in {len(content)} bytes")
            transparent = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
            pixels = np.asarray(picture.convert("RGBA" if transparent else "RGB"), np.float32)
    except UnreadableFile:
        raise
    except Exception as error:  # pillow's decoders let struct.error, IndexError, SyntaxError and others through
        raise UnreadableFile(f"{name} is no picture that can be read ({error})") from error
    return pixels / np.float32(255)


def encode_texture(texture: np.ndarray) -> bytes:
    """A .png of pixels (H, W, 3 or 4) in [0, 1]."""
    target = io.BytesIO()
    Image.fromarray((texture.clip(0, 1) * 255).round().astype(np.uint8)).save(target, "PNG")
    return target.getvalue()
