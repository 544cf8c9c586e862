"""What a path or an object is, as layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geokit.viewer.captures import capture_layers, checkpoint_layer, open_capture, run_layers
from geokit.viewer.layers.cameras import CamerasLayer
from geokit.viewer.layers.layer import Layer
from geokit.viewer.layers.mesh import MeshLayer
from geokit.viewer.layers.points import PointsLayer
from geokit.viewer.layers.splats import SplatsLayer

from geokit.errors import InvalidInput
from geokit.geometry import Cameras, Mesh, PointCloud, Splats
from geokit.io import Capture
from geokit.pipelines.open_shape import open_shape
from geokit.pipelines.run_folder import RunFolder


def layers_of(thing: Any, name: str | None = None) -> list[Layer]:
    """The layers of a path (anything that geokit makes or reads), a shape, a layer itself, or a mapping from names to
    these.

    Raises `InvalidInput` for what cannot be shown and `UnreadableFile` for a damaged file.
    """
    if isinstance(thing, Layer):
        return [thing]
    if isinstance(thing, Mapping):
        if not thing:
            raise InvalidInput("an empty mapping holds nothing to show; give it names and shapes")
        return [layer for key, one in thing.items() for layer in layers_of(one, str(key))]
    if isinstance(thing, str | Path):
        return _of_path(Path(thing), name)
    if isinstance(thing, Capture):
        return capture_layers(thing, name or thing.root.name)
    kinds: dict[type, Any] = {Mesh: MeshLayer, PointCloud: PointsLayer, Splats: SplatsLayer, Cameras: CamerasLayer}
    for kind, layer in kinds.items():
        if isinstance(thing, kind):
            return [layer(name or layer.kind, thing)]
    raise InvalidInput(
        f"a {type(thing).__name__} cannot be shown; give a path, or a Mesh, PointCloud, Splats, Cameras or Capture"
    )


def _of_path(path: Path, name: str | None) -> list[Layer]:
    if path.is_dir():
        name = name or path.resolve().name
        return run_layers(path, name) if RunFolder(path).config.is_file() else capture_layers(open_capture(path), name)
    name = name or path.stem
    if path.suffix.lower() == ".json":
        return capture_layers(open_capture(path), path.resolve().parent.name)
    if path.suffix.lower() == ".safetensors":
        return [checkpoint_layer(path, name)]
    opened = open_shape(path, drop_nonfinite=True)
    if isinstance(opened.shape, Splats):
        return [SplatsLayer(name, opened.shape, path)]
    if isinstance(opened.shape, Mesh):
        return [MeshLayer(name, opened.shape, path)]
    return [PointsLayer(name, opened.shape, path, opened.feature_names)]
