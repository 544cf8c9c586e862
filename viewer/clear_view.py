"""A first camera that nothing stands in front of: captures are often closed in by the splats of their surroundings."""

from dataclasses import replace

import torch
from torch import Tensor

from geokit.geometry import Cameras, Splats
from geokit.splatting.render import render

_APPROACH = (1.0, 0.8, 0.64, 0.5, 0.4, 0.32)  # of the distance to the middle
_SIZE = (64, 48)  # pixels of a look
_ENOUGH = 100_000  # splats tell what stands in the way
_HIDDEN = 0.3  # of the middle of the picture may be


def clear_view(splats: Splats, box: Tensor, camera: Cameras) -> Cameras:
    """`camera`, which looks at the middle of `box` (2, 3), or a nearer one that sees what is in the box.

    Of a camera that stays behind splats wherever it is put, the first one.
    """
    some = splats[:: max(1, len(splats) // _ENOUGH)]
    middle, radius = box.mean(0), float((box[1] - box[0]).max()) / 2
    for share in _APPROACH:
        nearer = _moved(camera, camera.centers[0].double() * share + middle * (1 - share))
        if _hidden(some, nearer.resized([_SIZE]), middle, radius) <= _HIDDEN:
            return nearer
    return camera


def _moved(camera: Cameras, center: Tensor) -> Cameras:
    pose = camera.world_to_camera.double().clone()
    pose[0, :3, 3] = -pose[0, :3, :3] @ center
    return replace(camera, world_to_camera=pose)


def _hidden(splats: Splats, camera: Cameras, middle: Tensor, radius: float) -> float:
    """The share of the middle quarter of the picture in which something stands before the ball around `middle`."""
    with torch.inference_mode():
        seen = render(splats, camera.to(splats.means.device), depth=True).median_depth
    assert seen is not None
    distance = float((middle - camera.centers[0].double()) @ camera.forwards[0].double())
    height, width = seen.shape
    center = seen[height // 4 : -(height // 4), width // 4 : -(width // 4)]
    return float(((center > 0) & (center < distance - 1.5 * radius)).double().mean())
