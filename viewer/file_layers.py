"""A file of one shape as a layer, which can be read again from it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geokit.geometry import Mesh, PointCloud
from geokit.io.point_clouds import read_columns
from geokit.pipelines.open_shape import OpenedShape, open_shape

from .attributes import Attributes
from .layers.mesh import MeshLayer
from .layers.points import PointsLayer
from .layers.splats import SplatsLayer


def file_layer(path: Path, name: str, opened: OpenedShape | None = None) -> MeshLayer | PointsLayer | SplatsLayer:
    """The layer of a mesh, points or splats. opened: what the file holds, where it is read already.

    Raises as `open_shape` does.
    """
    read = _attributes_of(path, opened or open_shape(path, drop_nonfinite=True))
    layer: MeshLayer | PointsLayer | SplatsLayer
    if isinstance(read["shape"], Mesh):
        layer = MeshLayer(name, read["shape"], path, read["attributes"])
    elif isinstance(read["shape"], PointCloud):
        layer = PointsLayer(name, read["shape"], path, read["feature_names"])
    else:
        layer = SplatsLayer(name, read["shape"], path)
    layer.read = lambda: _attributes_of(path, open_shape(path, drop_nonfinite=True))
    return layer


def _attributes_of(path: Path, opened: OpenedShape) -> Attributes:
    """What a layer takes from its file: the shape, and the numbers that came with it."""
    shape = opened.shape
    if isinstance(shape, Mesh):
        return {"shape": shape, "attributes": _vertex_numbers(path, len(shape.vertices))}
    return (
        {"shape": shape, "feature_names": opened.feature_names} if isinstance(shape, PointCloud) else {"shape": shape}
    )


def _vertex_numbers(path: Path, vertices: int) -> dict[str, NDArray[np.float64]]:
    """The numbers of a mesh's vertices that a .ply holds besides places, normals and colours."""
    if path.suffix.lower() != ".ply":
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is left out has been told of
        extras = read_columns(path).extras
    return {name: np.asarray(some, np.float64) for name, some in extras.items() if len(some) == vertices}
