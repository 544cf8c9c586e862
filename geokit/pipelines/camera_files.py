"""Cameras that a user names: in a file, of a capture, or of a run.

A file of cameras is JSON, an object with one list, in the conventions of `Cameras`:
{"cameras": [{"name": "front", "world_to_camera": [[4 numbers] x 4], "K": [[3 numbers] x 3], "width": 640,
"height": 480}, ...]}; the name is optional.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.geometry import Cameras
from geokit.io import load_capture
from geokit.io.safe import atomic_write, read_bytes
from geokit.pipelines.settings import Settings
from geokit.pipelines.turntable import turntable_cameras

OF_A_RUN = ("turntable", "test", "train")


def named_cameras(name: str | Path, settings: Settings | None) -> Cameras:
    """The cameras of a file or of a capture, or, with the settings of a run, "turntable", "test" or "train"."""
    if str(name) not in OF_A_RUN:
        path = Path(name)
        listed = _listed(path) if path.suffix == ".json" and path.is_file() else None
        return load_capture(path, test_every=0).cameras if listed is None else _cameras(path, listed)
    if settings is None:
        raise InvalidInput(
            f"the cameras {str(name)!r} are those of a run, but a splat file alone was given; name the folder that "
            "geokit reconstruct made, or a capture or a .json file with cameras"
        )
    capture = load_capture(settings.capture, settings.downscale, settings.test_every, settings.test_images)
    if name == "turntable":
        return turntable_cameras(capture.cameras[capture.train])
    chosen = capture.test if name == "test" else capture.train
    if not chosen:
        raise InvalidInput(f"the run of {settings.capture} has no {name} views; choose other cameras")
    return capture.cameras[chosen]


def save_cameras(path: str | Path, cameras: Cameras) -> None:
    """Write cameras as a file that `named_cameras` reads, atomically."""
    listed = [
        {"name": name, "world_to_camera": pose.tolist(), "K": K.tolist(), "width": width, "height": height}
        for name, pose, K, (width, height) in zip(cameras.names, cameras.world_to_camera, cameras.K, cameras.sizes)
    ]
    with atomic_write(path) as file:
        file.write(json.dumps({"cameras": listed}, indent=1).encode())


def _listed(path: Path) -> list[Any] | None:
    """The list of a file of cameras; None when it is another kind of .json."""
    try:
        top = json.loads(read_bytes(path, "file of cameras"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path} is not valid JSON ({error}); correct it") from error
    if not isinstance(top, dict) or "cameras" not in top:
        return None
    if not isinstance(top["cameras"], list) or not top["cameras"]:
        raise UnreadableFile(f"{path}: 'cameras' must be a list with at least one camera")
    return top["cameras"]


def _cameras(path: Path, listed: list[Any]) -> Cameras:
    poses, intrinsics, sizes, names = [], [], [], []
    for i, camera in enumerate(listed):
        where = f"{path}: camera {i}"
        if not isinstance(camera, dict):
            raise UnreadableFile(f"{where} is not an object; see geokit render --help for the format")
        poses.append(_matrix(camera, "world_to_camera", 4, where))
        intrinsics.append(_matrix(camera, "K", 3, where))
        size = (camera.get("width"), camera.get("height"))
        if not all(isinstance(value, int) and 0 < value <= 1 << 15 for value in size):
            raise UnreadableFile(f"{where} has the size {size[0]} x {size[1]}, wanted two positive whole numbers")
        sizes.append(size)
        names.append(str(camera.get("name", f"camera_{i:04d}")))
    try:
        return Cameras(torch.stack(poses), torch.stack(intrinsics), tuple(sizes), tuple(names))  # type: ignore[arg-type]
    except GeokitError as error:
        raise UnreadableFile(f"{path}: {error}") from error


def _matrix(camera: dict[str, Any], key: str, size: int, where: str) -> Tensor:
    try:
        matrix = torch.tensor(camera.get(key), dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        matrix = torch.empty(0)
    if tuple(matrix.shape) != (size, size) or not bool(torch.isfinite(matrix).all()):
        raise UnreadableFile(f"{where} needs a {size}x{size} matrix of finite numbers as '{key}'; correct it")
    return matrix
