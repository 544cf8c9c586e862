"""Correspondences in the viewer: from files or Python to layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geokit.errors import InvalidInput, UnreadableFile
from geokit.pipelines.map_file import PointMap, checked_map, load_map
from geokit.pipelines.match import digest_of
from geokit.pipelines.match_folder import MatchFolder
from geokit.pipelines.truth_file import checked_pairs, load_truth
from geokit.spectral.matching import Match

from .content import layers_of
from .layers.correspondences import CorrespondencesLayer
from .layers.layer import Layer
from .layers.mesh import MeshLayer
from .show import show
from .viewer import Viewer


def map_layers(
    first: Any, second: Any, point_map: Any, truth: Any = None, note: str = "", source: Path | None = None
) -> list[Layer]:
    """The layers of two meshes beside each other and of the map between them.

    first, second: paths, `Mesh`es or mesh layers. point_map: a path as `load_map` reads it (its shapes may be named in
    either order where a report of geokit match beside it tells them apart), the `Match` of the two, a
    `PointMap`, or (N2,) whole numbers, the vertex of the first that each of the second goes to; where a file goes from
    the first to the second the shapes change places. truth: paths as `load_truth` reads them, or (L, 2) vertices of the
    first and the second that correspond. Raises `InvalidInput` and `UnreadableFile` before anything is shown.
    """
    shapes = [_mesh_layer(first, "first"), _mesh_layer(second, "second")]
    turned = isinstance(point_map, str | Path) and _named_backwards(Path(point_map), shapes)
    if turned:
        shapes.reverse()
    counts = len(shapes[0].shape.vertices), len(shapes[1].shape.vertices)
    exchanged = False
    if isinstance(point_map, str | Path):
        source = Path(point_map)
        found, exchanged = load_map(source, counts, len(shapes[0].shape))
    else:
        found = _given_map(point_map, counts)
    known = _given_truth(truth, counts[::-1] if turned else counts)
    known = known.flip(1) if turned and known is not None else known
    if exchanged:
        shapes.reverse()
        known = None if known is None else known.flip(1)
    name = f"{shapes[1].name} to {shapes[0].name}"
    return [CorrespondencesLayer(name, found, shapes[0], shapes[1], known, source, note), *shapes]


def show_map(
    first: Any,
    second: Any,
    point_map: Any,
    *,
    truth: Any = None,
    host: str = "127.0.0.1",
    port: int | None = None,
) -> Viewer:
    """A viewer that shows two meshes beside each other and the map between them; arguments as `map_layers` and `show`.

    >>> show_map("cat.off", "lion.off", spectral.match(cat, lion))  # doctest: +SKIP
    """
    return show(*map_layers(first, second, point_map, truth), host=host, port=port)


def named_things(paths: Sequence[Path], point_map: Path | None, truth: Sequence[Path]) -> list[Any]:
    """What `geokit view PATHS --map FILE --truth FILES` shows: the paths, or the layers of a map.

    Raises `InvalidInput` for a map without two meshes and a truth without a map.
    """
    if point_map is not None:
        if len(paths) != 2:
            raise InvalidInput(
                f"--map is between two meshes, got {len(paths)} paths; name the two that it was made for"
            )
        return list(map_layers(paths[0], paths[1], point_map, truth or None))
    from .match_folders import is_match, match_layers

    if len(paths) != 1 or not is_match(paths[0]):
        raise InvalidInput("--truth says how far a map is off; give --map too, or one folder that geokit match made")
    return list(match_layers(paths[0], truth))


def _mesh_layer(thing: Any, name: str) -> MeshLayer:
    layers = layers_of(thing, None if isinstance(thing, str | Path) else name)
    (layer,) = layers if len(layers) == 1 else (None,)
    if not isinstance(layer, MeshLayer) or not len(layer.shape):
        what = thing if isinstance(thing, str | Path) else f"a {type(thing).__name__}"
        raise InvalidInput(f"{what} is no mesh with faces; a map is between two meshes: make one with geokit mesh")
    return layer


def _named_backwards(arrays: Path, shapes: Sequence[MeshLayer]) -> bool:
    """Does the report beside a match.npz say that it was made for the same shapes in the other order?

    Where both have as many vertices, nothing else could tell.
    """
    folder = MatchFolder(arrays.parent)
    if folder.arrays != arrays or not folder.report.is_file():
        return False
    try:
        made_for = [shape["digest"] for shape in folder.load_report()["shapes"]]
    except (UnreadableFile, KeyError, TypeError):
        return False
    given = [digest_of(layer.shape) for layer in shapes]
    return given != made_for and given[::-1] == made_for


def _given_map(point_map: Any, counts: tuple[int, int]) -> PointMap:
    if isinstance(point_map, Match):
        point_map = PointMap.of(point_map)
    if isinstance(point_map, PointMap):
        checked_map("the map", point_map.p2p_21, *counts)
        if point_map.p2p_12 is not None:
            checked_map("the map back", point_map.p2p_12, *counts[::-1])
        return point_map
    return PointMap(checked_map("the map", _numbers("the map", point_map), *counts))


def _given_truth(truth: Any, counts: tuple[int, int]) -> Tensor | None:
    if truth is None:
        return None
    if isinstance(truth, str | Path):
        return load_truth([Path(truth)], counts)
    if isinstance(truth, list | tuple) and truth and all(isinstance(path, str | Path) for path in truth):
        return load_truth([Path(path) for path in truth], counts)
    return checked_pairs(["the truth"], _numbers("the truth", truth), counts)


def _numbers(what: str, values: Any) -> Tensor:
    try:
        return values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} must be vertex numbers or a path, got a {type(values).__name__}") from error
