"""What a path or an object is, as layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geokit.errors import InvalidInput
from geokit.geometry import Cameras, Mesh, PointCloud, Splats
from geokit.io import Capture
from geokit.pipelines.run_folder import RunFolder

from .captures import capture_layers, checkpoint_layer, open_capture, run_layers
from .file_layers import file_layer
from .layers.cameras import CamerasLayer
from .layers.layer import Layer
from .layers.mesh import MeshLayer
from .layers.points import PointsLayer
from .layers.splats import SplatsLayer

if TYPE_CHECKING:
    from geokit.fields.field import Field

_CUBES = 128  # along the longest side of the surface of a field: some seconds less than what `geokit mesh` takes


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
    from geokit.fields.field import Field

    if isinstance(thing, Field):
        return layers_of_field(name or "field", thing)
    raise InvalidInput(
        f"a {type(thing).__name__} cannot be shown; give a path, or a Mesh, PointCloud, Splats, Cameras, Capture "
        "or field"
    )


def _of_path(path: Path, name: str | None) -> list[Layer]:
    if path.is_dir():
        from .match_folders import folder_layers

        matched = folder_layers(path)
        if matched is not None:
            return matched
        name = name or path.resolve().name
        return run_layers(path, name) if RunFolder(path).config.is_file() else capture_layers(open_capture(path), name)
    name = name or path.stem
    ending = path.suffix.lower()
    if ending == ".field":
        from geokit.fields.storage import load_field

        return layers_of_field(name, load_field(path), path)
    if ending == ".json":
        return capture_layers(open_capture(path), path.resolve().parent.name)
    if ending == ".safetensors":
        return [checkpoint_layer(path, name)]
    return [file_layer(path, name)]


def layers_of_field(name: str, field: Field, source: Path | None = None) -> list[Layer]:
    """An image as a picture; a shape as the surface where the field is zero and, of distances, a slice through them.

    Raises `InvalidInput` for fields of other dimensions, and of space with more than one channel.
    """
    from geokit.fields.distance_field import DistanceField
    from geokit.fields.surface import SurfaceField

    from .layers.image import ImageLayer
    from .layers.slice import SliceLayer

    if field.dimension == 2:
        return [ImageLayer(name, field, source)]
    if field.dimension != 3 or field.channels != 1:
        raise InvalidInput(
            f"a field of {field.channels} channels in {field.dimension} dimensions cannot be shown; want images, or "
            "one channel in space"
        )
    if isinstance(field, SurfaceField):
        return [MeshLayer(name, field.mesh(), source)]
    layers: list[Layer] = [SliceLayer(f"{name} slice", field, source)]
    if isinstance(field, DistanceField) and field.signed:
        layers.insert(0, MeshLayer(name, field.mesh(_CUBES), source))
    return layers
