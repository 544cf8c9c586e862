"""What is checked of the files of a COLMAP model before pycolmap reads them.

pycolmap 4.2 takes a cameras.bin cut to ten bytes for one camera of garbage. So the counts and sizes of binary files are
followed here from entry to entry, and the poses and parameters of both forms must be finite numbers.
"""

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

from geokit.errors import UnreadableFile
from geokit.io.safe import check_count, read_bytes

# COLMAP's numbers for the models that geokit can undo, with their count of parameters
MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
}
READABLE = "SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL, OPENCV, FULL_OPENCV and OPENCV_FISHEYE"


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


def check_model(model: Path) -> Path:
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
        if model not in MODELS:
            raise UnreadableFile(
                f"{file.path}: camera {key} has a camera model of number {model}; readable are {READABLE}: "
                "undistort with COLMAP first"
            )
        if not (0 < width < 2**20 and 0 < height < 2**20):
            raise UnreadableFile(
                f"{file.path}: camera {key} has an image size of {width}x{height}; export the model again"
            )
        parameters = file.take(f"{MODELS[model][1]}d", place + 24)
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
