"""Captures, the folders of geokit reconstruct, and its checkpoints, as layers."""

import warnings
from pathlib import Path

from geokit.errors import GeokitError, InvalidInput, UnreadableFile
from geokit.geometry import PointCloud
from geokit.geometry.neighbors import nearest_neighbors
from geokit.io import Capture, load_capture
from geokit.io.capture import brings_poses
from geokit.io.photographs import is_photograph
from geokit.io.splat_ply import is_splat_ply
from geokit.io.structure_from_motion import poses_are_known
from geokit.pipelines.open_shape import MESH_ENDINGS, open_shape
from geokit.pipelines.run_folder import RunFolder, scene_file
from geokit.pipelines.saved_scene import checkpoint_splats
from geokit.pipelines.settings import Settings, load_settings
from geokit.splatting import TrainConfig

from .file_layers import file_layer
from .layers.cameras import CamerasLayer
from .layers.layer import Layer
from .layers.mesh import MeshLayer
from .layers.points import PointsLayer
from .layers.splats import SplatsLayer


def capture_layers(capture: Capture, name: str) -> list[Layer]:
    """The points that it brings, if any, and its cameras with their photographs."""
    layers: list[Layer] = []
    if capture.points is not None and len(capture.points):
        points = PointsLayer(f"{name} points", capture.points, capture.root)
        points.size = min(points.size, _spacing(capture.points))  # few and far points in the background make them huge
        layers.append(points)
    cameras = CamerasLayer(f"{name} cameras", capture.cameras, capture.root, capture, frozenset(capture.test))
    return [*layers, cameras]


def open_capture(path: Path) -> Capture:
    """The capture in `path`, its photographs not yet decoded; what its reader had to say is warned.

    Raises `InvalidInput` for photographs whose poses are not known: to find them takes minutes, which is not viewing.
    """
    photographs = path / "images" if (path / "images").is_dir() else path
    if path.is_dir() and not brings_poses(path) and any(is_photograph(file) for file in photographs.iterdir()):
        _refuse_without_poses(path, photographs)
    capture = load_capture(path)
    _tell(capture.messages)
    return capture


def run_layers(path: Path, name: str) -> list[Layer]:
    """What geokit reconstruct left in a folder: the splats as they were trained, its meshes, and the cameras with
    their photographs where the capture is still there."""
    folder = RunFolder(path)
    settings = load_settings(folder.config)
    layers: list[Layer] = [_scene(folder, settings, name)]
    for file in sorted(path.iterdir()):
        if file != folder.splats and file.suffix.lower() in MESH_ENDINGS:
            layers += _mesh(file)
    try:
        capture = _capture_of(settings)
    except (GeokitError, OSError) as error:
        _tell([f"the photographs of {path} are not shown: {error}"])
        return layers
    return [*layers, *(layer for layer in capture_layers(capture, name) if isinstance(layer, CamerasLayer))]


def checkpoint_layer(path: Path, name: str) -> SplatsLayer:
    """The splats of a checkpoint of geokit reconstruct; `UnreadableFile` for other checkpoints."""
    splats, config = checkpoint_splats(path)
    layer = trained(SplatsLayer(name, splats, path), config)
    layer.read = lambda: {"shape": checkpoint_splats(path)[0]}
    return layer


def trained(layer: SplatsLayer, config: TrainConfig) -> SplatsLayer:
    """The layer, rendered as it was trained."""
    layer.antialiased, layer.background = config.antialiased, config.background
    return layer


def _scene(folder: RunFolder, settings: Settings, name: str) -> SplatsLayer:
    if not folder.splats.is_file() and folder.checkpoint.is_file():  # a run that was killed
        return checkpoint_layer(folder.checkpoint, name)
    opened = open_shape(scene_file(folder.root), drop_nonfinite=True)
    _tell(opened.messages)
    return trained(file_layer(folder.splats, name, opened), settings.train)  # type: ignore[arg-type]


def _mesh(file: Path) -> list[Layer]:
    """A mesh beside the splats; one that cannot be read does not hide them."""
    try:
        if file.suffix.lower() == ".ply" and is_splat_ply(file):
            return []
        layer = file_layer(file, file.stem)
    except GeokitError as error:
        _tell([str(error)])
        return []
    return [layer] if isinstance(layer, MeshLayer) else []


def _capture_of(settings: Settings) -> Capture:
    path = settings.capture
    if not path.exists():
        raise UnreadableFile(f"{path} is gone; put the capture back there, or correct its path in config.yaml")
    photographs = path / "images" if (path / "images").is_dir() else path
    if path.is_dir() and not brings_poses(path) and not poses_are_known(photographs):
        raise InvalidInput(f"the poses found for {path} are no longer in the cache")
    return load_capture(path, settings.downscale, settings.test_every, settings.test_images)


def _refuse_without_poses(path: Path, photographs: Path) -> None:
    if not poses_are_known(photographs):
        raise InvalidInput(
            f"{path} holds photographs without poses; find them first with: "
            f"geokit reconstruct {path} --output DIR, then view DIR"
        )


def _spacing(points: PointCloud) -> float:
    """The usual distance of a point to the next one; infinite for a single one."""
    if len(points) < 2:
        return float("inf")
    return float(nearest_neighbors(points.points, 2)[0][:, 1].median()) or float("inf")


def _tell(messages: list[str]) -> None:
    for message in messages:
        warnings.warn(message, stacklevel=3)
