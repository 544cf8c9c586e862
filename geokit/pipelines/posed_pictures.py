"""Cameras with the photographs that they took, as training and evaluation want them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geokit.geometry import Cameras
from geokit.io import Capture


@dataclass(frozen=True)
class PosedPictures:
    """cameras: N of them; photographs: N uint8 tensors (H, W, 3)."""

    cameras: Cameras
    photographs: list[Tensor]

    def __len__(self) -> int:
        return len(self.photographs)


def posed_pictures(capture: Capture, indices: Sequence[int], background: tuple[float, float, float]) -> PosedPictures:
    """Those views of a capture, as bytes; transparent photographs stand before `background`."""
    photographs = [(capture.photograph(i, background) * 255).round().to(torch.uint8) for i in indices]
    return PosedPictures(capture.cameras[list(indices)], photographs)


def picture_names(names: Sequence[str]) -> list[str]:
    """File names without ending for pictures of the images `names`: stems, or whole paths where two stems are alike."""
    stems = [name.rsplit("/", 1)[-1].rsplit(".", 1)[0] for name in names]
    if len(set(stems)) == len(stems):
        return stems
    return [name.replace("/", "__") for name in names]
