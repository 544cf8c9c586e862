"""Cameras with the photographs that they took, as training and evaluation want them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import torch
from torch import Tensor

from geokit.geometry import Cameras
from geokit.io import Capture
from geokit.io.photographs import ENDINGS


@dataclass(frozen=True)
class PosedPictures:
    """cameras: N of them; photographs: N uint8 tensors (H, W, 3)."""

    cameras: Cameras
    photographs: list[Tensor]

    def __len__(self) -> int:
        return len(self.photographs)

    def digest(self) -> str:
        """A hash of everything: names, poses, intrinsics, sizes and pixels."""
        found = hashlib.sha256(repr((self.cameras.names, self.cameras.sizes)).encode())
        for tensor in (self.cameras.world_to_camera, self.cameras.K, *self.photographs):
            found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()


def posed_pictures(capture: Capture, indices: Sequence[int], background: tuple[float, float, float]) -> PosedPictures:
    """Those views of a capture, as bytes; transparent photographs stand before `background`."""
    photographs = [(capture.photograph(i, background) * 255).round().to(torch.uint8) for i in indices]
    return PosedPictures(capture.cameras[list(indices)], photographs)


def picture_names(names: Sequence[str]) -> list[str]:
    """File names without ending for pictures of the images `names`, all different and safe to write.

    The images' own stems where those differ, else their whole paths, else numbered.
    """
    stems, paths = ([_plain(name, whole) for name in names] for whole in (False, True))
    if len(set(stems)) == len(stems):
        return stems
    return paths if len(set(paths)) == len(paths) else [f"{i:04d}_{path}" for i, path in enumerate(paths)]


def _plain(name: str, whole: bool) -> str:
    path = PurePosixPath(name)
    stem = path.stem if path.suffix.lower() in ENDINGS else path.name
    parts = (*path.parts[:-1], stem) if whole else (stem,)
    return re.sub(r"[^\w.-]", "_", "__".join(parts)) or "_"
