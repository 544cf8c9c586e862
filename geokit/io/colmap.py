"""COLMAP models, text and binary, read by pycolmap.

pycolmap 4.2 takes a cameras.bin cut to ten bytes for one camera of garbage, so that the sizes and counts of binary
files are checked here first, against the format of COLMAP's `reconstruction_io`.
"""

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from geokit.errors import InvalidInput, MissingDependency, UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.undistort import Lens
from geokit.io.nerfstudio import say_missing
from geokit.io.safe import check_count, confined_path, read_bytes
from geokit.io.views import Listing, View

# COLMAP's numbers for the models that geokit can undo, with their count of parameters
_MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
}
_READABLE = "SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL, OPENCV, FULL_OPENCV and OPENCV_FISHEYE"


def find_model(root: Path) -> Path | None:
    """The folder of a COLMAP model at or under `root`: sparse/0, sparse, colmap/sparse/0 or `root` itself."""
    for place in ("sparse/0", "sparse", "", "colmap/sparse/0"):
        folder = root / place
        if any((folder / f"cameras{ending}").is_file() for ending in (".bin", ".txt")):
            return folder
    return None


def find_images(root: Path, model: Path) -> tuple[Path, Path]:
    """(capture folder, image folder) of a model: `images`, or the largest of its reduced copies, near the model."""
    bases = dict.fromkeys([root, model, *model.parents[:3]])
    for base in bases:
        for name in ("images", "images_2", "images_4", "images_8"):
            if (base / name).is_dir():
                return base, base / name
    raise UnreadableFile(
        f"{root} holds a COLMAP model but no folder 'images' beside it; copy the photographs to {root / 'images'}"
    )


def import_pycolmap() -> Any:
    """The module pycolmap, quiet, or `MissingDependency`."""
    try:
        import pycolmap
    except ImportError as error:
        raise MissingDependency(
            "COLMAP models and plain folders of photographs need pycolmap; "
            "install it with: pip install 'geokit[colmap]'"
        ) from error
    pycolmap.logging.minloglevel = 3
    return pycolmap


def read_colmap(root: Path, model: Path, images: Path) -> Listing:
    """The photographs, poses and points of the COLMAP model in the folder `model`; image names count from `images`.

    Photographs that are missing are kept out with a message. Raises `UnreadableFile` for anything damaged or for a
    camera model that is not listed above, and `MissingDependency` without pycolmap.
    """
    pycolmap = import_pycolmap()
    source = _check_model(model)
    try:
        reconstruction = pycolmap.Reconstruction(str(model))
    except Exception as error:  # pycolmap throws ValueError, RuntimeError, IndexError, ... for damaged files
        raise UnreadableFile(
            f"{model} is not a readable COLMAP model ({_first_line(error)}); export it again"
        ) from error
    listing, missing = Listing("colmap", source, []), []
    lenses = {key: _lens(camera, source) for key, camera in reconstruction.cameras.items()}
    posed = [image for image in reconstruction.images.values() if image.has_pose]
    for image in posed:
        path = confined_path(images, image.name, source)
        if not path.is_file():
            missing.append(image.name)
            continue
        listing.views.append(View(_name(path, root), path, lenses[image.camera_id], _pose(image, source)))
    say_missing(listing, missing, len(posed))
    listing.points = _points(reconstruction, model)
    if model.name == "0" and (model.parent / "1").is_dir():
        listing.messages.append(f"{model.parent} holds more than one model; only model 0 is used")
    return listing


def _name(path: Path, root: Path) -> str:
    root = root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _lens(camera: Any, source: Path) -> Lens:
    name = str(camera.model.name)
    p = [float(v) for v in camera.params]
    where = f"{source}: camera {camera.camera_id}"
    if name not in {model for model, _ in _MODELS.values()}:
        raise UnreadableFile(
            f"{where} has the camera model {name}; readable are {_READABLE}: undistort with COLMAP first"
        )
    two_focals = name in ("PINHOLE", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV")
    fx, fy, cx, cy = p[:4] if two_focals else (p[0], p[0], p[1], p[2])
    rest = tuple(p[4:] if two_focals else p[3:])
    try:
        kind = "fisheye" if name == "OPENCV_FISHEYE" else "opencv"
        return Lens(int(camera.width), int(camera.height), fx, fy, cx, cy, kind, rest)  # type: ignore[arg-type]
    except InvalidInput as error:
        raise UnreadableFile(f"{where}: {error}; correct the camera") from error


def _pose(image: Any, source: Path) -> torch.Tensor:
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3] = torch.from_numpy(np.asarray(image.cam_from_world().matrix()))
    if not bool(torch.isfinite(pose).all()):
        raise UnreadableFile(
            f"{source}: image '{image.name}' has a pose that is NaN or infinite; "
            "remove the image or export the model again"
        )
    return pose


def _points(reconstruction: Any, model: Path) -> PointCloud | None:
    points = [point for _, point in sorted(reconstruction.points3D.items())]
    if not points:
        return None
    places = torch.from_numpy(np.array([p.xyz for p in points], np.float32))
    colors = torch.from_numpy(np.array([p.color for p in points], np.float32) / 255)
    if not bool(torch.isfinite(places).all()):
        raise UnreadableFile(f"{model}: the 3D points hold NaN or infinite coordinates; export the model again")
    return PointCloud(places, colors)


# ---- the sizes of the files, checked before pycolmap sees them


class _Cursor(NamedTuple):
    """A binary file and a place in it."""

    path: Path
    data: bytes

    def take(self, layout: str, place: int) -> tuple[Any, ...]:
        """The values at `place` in little-endian `layout`; `UnreadableFile` past the end."""
        try:
            return struct.unpack_from("<" + layout, self.data, place)
        except struct.error as error:
            raise UnreadableFile(
                f"{self.path} ends at byte {len(self.data)} in the middle of an entry; "
                "the file is truncated: copy or export it again"
            ) from error

    def fits(self, what: str, count: int, bytes_each: int, place: int) -> None:
        """Whether `count` entries of at least `bytes_each` bytes can follow `place`."""
        check_count(self.path, what, count, bytes_each, len(self.data) - place)


def _check_model(model: Path) -> Path:
    """Check the model's files; returns the one that lists the images."""
    ending = ".bin" if (model / "cameras.bin").is_file() else ".txt"
    names = [model / f"{name}{ending}" for name in ("cameras", "images", "points3D")]
    for path in names:
        if not path.is_file():
            raise UnreadableFile(
                f"{model} holds no {path.name}; a COLMAP model needs cameras, images and points3D: copy them all"
            )
    checks = {"cameras": _check_cameras, "images": _check_images, "points3D": _check_points}
    optional = {"rigs": _check_rigs, "frames": _check_frames}
    for name, check in {**checks, **optional}.items():
        path = model / f"{name}{ending}"
        if name in optional and not path.is_file():
            continue
        data = read_bytes(path, "COLMAP file")
        if ending == ".bin":
            check(_Cursor(path, data))
        else:
            _check_text(path, data)
    return names[1]


def _check_cameras(file: _Cursor) -> None:
    (count,), place = file.take("Q", 0), 8
    file.fits("cameras", count, 48, place)
    for _ in range(count):
        key, model, width, height = file.take("IiQQ", place)
        if model not in _MODELS:
            raise UnreadableFile(
                f"{file.path}: camera {key} has a camera model of number {model}; readable are {_READABLE}: "
                "undistort with COLMAP first"
            )
        if not (0 < width < 2**20 and 0 < height < 2**20):
            raise UnreadableFile(
                f"{file.path}: camera {key} has an image size of {width}x{height}; export the model again"
            )
        parameters = file.take(f"{_MODELS[model][1]}d", place + 24)
        if not all(map(math.isfinite, parameters)):
            raise UnreadableFile(
                f"{file.path}: camera {key} has parameters that are NaN or infinite; export the model again"
            )
        place += 24 + 8 * len(parameters)


def _check_images(file: _Cursor) -> None:
    (count,), place = file.take("Q", 0), 8
    file.fits("images", count, 73, place)
    for _ in range(count):
        key, *pose = file.take("I7d", place)
        end = file.data.find(b"\0", place + 64)
        if end < 0:
            file.take("x", len(file.data))
        name = file.data[place + 64 : end]
        try:
            name.decode()
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"{file.path}: image {key} has a name that is not UTF-8; export the model again"
            ) from error
        if not all(map(math.isfinite, pose)) or not any(pose[:4]):
            raise UnreadableFile(
                f"{file.path}: image {key} ({name.decode()!r}) has a pose that is NaN, infinite or "
                "without "
                "a rotation; remove the image or export the model again"
            )
        (points,) = file.take("Q", end + 1)
        file.fits(f"points of image {key}", points, 24, end + 9)
        place = end + 9 + 24 * points


def _check_points(file: _Cursor) -> None:
    (count,), place = file.take("Q", 0), 8
    file.fits("points", count, 51, place)
    for _ in range(count):
        (track,) = file.take("Q", place + 43)
        file.fits("observations of a point", track, 8, place + 51)
        place += 51 + 8 * track


def _check_rigs(file: _Cursor) -> None:
    (count,), place = file.take("Q", 0), 8
    file.fits("rigs", count, 8, place)
    for _ in range(count):
        _, sensors = file.take("II", place)
        place += 8
        file.fits("sensors of a rig", sensors, 8, place)
        for sensor in range(sensors):
            file.take("iI", place)
            place += 8
            if sensor > 0:
                (posed,) = file.take("B", place)
                place += 1 + (56 if posed else 0)
    if place > len(file.data):
        file.take("x", place)


def _check_frames(file: _Cursor) -> None:
    (count,), place = file.take("Q", 0), 8
    file.fits("frames", count, 68, place)
    for _ in range(count):
        *_, items = file.take("II7dI", place)
        place += 68
        file.fits("images of a frame", items, 16, place)
        place += 16 * items


def _check_text(path: Path, data: bytes) -> None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"{path} is not text ({error.reason} at byte {error.start}); export the model again"
        ) from error
    if path.stem != "images" and not path.stem.startswith("cameras"):
        return
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in lines[:: 2 if path.stem == "images" else 1]:
        words = line.split()
        if path.stem == "images" and words and not _numbers(words[1:8], 7):
            raise UnreadableFile(
                f"{path}: image {words[-1]!r} has a pose that is NaN, infinite or incomplete; "
                "remove the image or export the model again"
            )
        if path.stem == "cameras" and words and not _numbers(words[2:], 5):
            raise UnreadableFile(
                f"{path}: camera {words[0]} has parameters that are NaN or missing; export the model again"
            )


def _numbers(words: list[str], least: int) -> bool:
    try:
        return len(words) >= least and all(math.isfinite(float(word)) for word in words)
    except ValueError:
        return False
