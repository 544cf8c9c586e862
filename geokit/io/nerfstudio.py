"""nerfstudio and instant-ngp captures: one `transforms.json`.

Intrinsics stand at the top or in each frame (`fl_x fl_y cx cy w h`, or `camera_angle_x`), distortion as `k1 k2 p1 p2 k3
...` or, for OPENCV_FISHEYE, `k1..k4`. `transform_matrix` is camera-to-world with OpenGL axes (y up, z backwards) and
becomes world-to-camera with OpenCV axes. `applied_transform` says how nerfstudio turned the reconstruction before it
wrote the file; it is not undone: the capture's own frame is the frame of the poses as they stand, and the initial
points of `ply_file_path` are in that frame too.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.undistort import Lens
from geokit.io.photographs import ENDINGS, photograph_size
from geokit.io.safe import confined_path, read_bytes
from geokit.io.views import Listing, View, say_missing

_LARGEST = 1e30  # also keeps NaN and integers beyond float out
_PINHOLE = ("PINHOLE", "SIMPLE_PINHOLE")
_OPENCV = ("OPENCV", "FULL_OPENCV", "RADIAL", "SIMPLE_RADIAL")


def read_nerfstudio(path: Path) -> Listing:
    """The photographs that `path`, a transforms.json, lists, and its initial points.

    Frames whose file is missing are kept out with a message. Raises `UnreadableFile` for anything that is damaged.
    """
    top = read_transforms(path)
    listing = Listing("nerfstudio", path, [])
    missing = read_frames(path, top, listing)
    say_missing(listing, missing, len(top["frames"]))
    listing.points = _initial_points(path, top, listing)
    listing.test = _own_split(path, top, listing)
    if any("mask_path" in frame for frame in top["frames"]):
        listing.messages.append("the masks that the capture lists are not used")
    return listing


def read_transforms(path: Path) -> dict[str, Any]:
    """The JSON object of a transforms file, with a non-empty list `frames` of objects."""
    try:
        top = json.loads(read_bytes(path, "transforms.json").decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path} is not valid JSON ({error}); export the capture again") from error
    frames = top.get("frames") if isinstance(top, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise UnreadableFile(f"{path} has no list 'frames' of camera frames; it is not a transforms file")
    if not frames:
        raise UnreadableFile(f"{path} lists no frames; a capture needs at least 2 photographs")
    return top


def read_frames(path: Path, top: dict[str, Any], listing: Listing) -> list[str]:
    """Append the frames of `top` to the listing's views; returns the names of those that have no file."""
    root, missing = path.parent.resolve(), []
    for number, frame in enumerate(top["frames"]):
        name = frame.get("file_path")
        if not isinstance(name, str) or not name:
            raise UnreadableFile(f"{path}: frame {number} has no file_path; add it or remove the frame")
        image = _find_image(root, name, path)
        if image is None:
            missing.append(name)
            continue
        where = f"{path}: frame '{name}'"
        pose = _pose(frame.get("transform_matrix"), where)
        lens = _lens({**top, **frame}, image, where)
        listing.views.append(View(image.relative_to(root).as_posix(), image, lens, pose))
    return missing


def _find_image(root: Path, name: str, named_in: Path) -> Path | None:
    """The file of a frame; a name without an ending gets one (Blender writes none)."""
    image = confined_path(root, name, named_in)
    if image.is_file():
        return image
    if image.suffix.lower() not in ENDINGS:
        for ending in (*ENDINGS, *(e.upper() for e in ENDINGS)):
            candidate = confined_path(root, name + ending, named_in)
            if candidate.is_file():
                return candidate
    return None


def _pose(matrix: object, where: str) -> Tensor:
    """World-to-camera, OpenCV axes, of a camera-to-world matrix with OpenGL axes."""
    try:
        pose = torch.tensor(matrix, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise UnreadableFile(
            f"{where} has no 4x4 matrix of numbers as transform_matrix; correct or remove it"
        ) from error
    if tuple(pose.shape) not in ((4, 4), (3, 4)):
        raise UnreadableFile(
            f"{where} has a transform_matrix of shape {tuple(pose.shape)}, wanted 4x4; correct or remove it"
        )
    if not bool(torch.isfinite(pose).all()):
        raise UnreadableFile(f"{where} has a pose that is NaN or infinite; remove the frame or export the poses again")
    rotation = pose[:3, :3] * torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    world_to_camera = torch.eye(4, dtype=torch.float64)
    world_to_camera[:3, :3] = rotation.T
    world_to_camera[:3, 3] = -rotation.T @ pose[:3, 3]
    return world_to_camera


def _lens(values: dict[str, Any], image: Path, where: str) -> Lens:
    def number(key: str, default: float) -> float:
        value = values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
            raise UnreadableFile(f"{where} has {key} = {value!r}, wanted a finite number; correct it")
        return float(value)

    width, height = round(number("w", 0)), round(number("h", 0))
    if width < 1 or height < 1:
        width, height = photograph_size(image)
    fx = number("fl_x", 0) or _focal(number("camera_angle_x", 0), width)
    fy = number("fl_y", 0) or _focal(number("camera_angle_y", 0), height) or fx
    fx = fx or fy
    if fx <= 0 or fy <= 0:
        raise UnreadableFile(
            f"{where} has no focal length: fl_x (pixels) or camera_angle_x (radians) is missing or not positive"
        )
    k1, k2, k3, k4, k5, k6, p1, p2 = (number(key, 0) for key in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2"))
    model = values.get("camera_model", "OPENCV_FISHEYE" if values.get("is_fisheye") else "OPENCV")
    cx, cy = number("cx", width / 2), number("cy", height / 2)
    try:
        if model in _PINHOLE:
            return Lens(width, height, fx, fy, cx, cy)
        if model == "OPENCV_FISHEYE":
            return Lens(width, height, fx, fy, cx, cy, "fisheye", (k1, k2, k3, k4))
        if model not in _OPENCV:
            raise UnreadableFile(
                f"{where} has the camera model {model!r}; readable are PINHOLE, OPENCV and OPENCV_FISHEYE: "
                "undistort the photographs first"
            )
        if k4 and model != "FULL_OPENCV":
            raise UnreadableFile(
                f"{where} has a k4, which camera model {model} does not define; undistort the photographs first"
            )
        return Lens(width, height, fx, fy, cx, cy, "opencv", (k1, k2, p1, p2, k3, k4, k5, k6))
    except InvalidInput as error:
        raise UnreadableFile(f"{where}: {error}; correct the intrinsics") from error


def _focal(angle: float, pixels: int) -> float:
    return 0.5 * pixels / math.tan(0.5 * angle) if 0 < angle < math.pi else 0.0


def _initial_points(path: Path, top: dict[str, Any], listing: Listing) -> PointCloud | None:
    name = top.get("ply_file_path")
    if not isinstance(name, str) or not name:
        return None
    from geokit.io.point_files import load_point_ply

    file = confined_path(path.parent, name, path)
    if not file.is_file():
        listing.messages.append(f"the initial points {name} that {path.name} names are not there; going on without")
        return None
    return load_point_ply(file)


def _own_split(path: Path, top: dict[str, Any], listing: Listing) -> frozenset[str] | None:
    """The views of `test_filenames` (or, without it, `val_filenames`), None when the file has no split."""
    named = top.get("test_filenames") or top.get("val_filenames")
    if not isinstance(named, list):
        return None
    root = path.parent.resolve()
    images = (_find_image(root, name, path) for name in named if isinstance(name, str))
    test = {image.relative_to(root).as_posix() for image in images if image is not None}
    return frozenset(test & {view.name for view in listing.views}) or None
