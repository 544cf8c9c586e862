"""COLMAP models, text and binary, read by pycolmap.

Their files are looked through by `colmap_checks` before pycolmap sees them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from geokit.backend.optional import optional
from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry.point_cloud import PointCloud
from geokit.geometry.undistort import Lens
from geokit.io.colmap_checks import MODELS, READABLE, check_model
from geokit.io.safe import confined_path
from geokit.io.views import Listing, View, say_missing


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
    pycolmap = optional("pycolmap", "reading COLMAP models and plain folders of photographs", "colmap")
    pycolmap.logging.minloglevel = 3
    return pycolmap


def read_colmap(root: Path, model: Path, images: Path) -> Listing:
    """The photographs, poses and points of the COLMAP model in the folder `model`; image names count from `images`.

    Photographs that are missing are kept out with a message. Raises `UnreadableFile` for anything damaged or for a
    camera model that is not listed above, and `MissingDependency` without pycolmap.
    """
    pycolmap = import_pycolmap()
    source = check_model(model)
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
    if name not in {model for model, _ in MODELS.values()}:
        raise UnreadableFile(
            f"{where} has the camera model {name}; readable are {READABLE}: undistort with COLMAP first"
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
    with np.errstate(over="ignore"):
        places = torch.from_numpy(np.array([p.xyz for p in points]).astype(np.float32))
    colors = torch.from_numpy(np.array([p.color for p in points], np.float32) / 255)
    if not bool(torch.isfinite(places).all()):
        raise UnreadableFile(f"{model}: the 3D points hold NaN or infinite coordinates; export the model again")
    return PointCloud(places, colors)
