"""Distances along a mesh file from some of its vertices: written, coloured, drawn with isolines."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from geokit.errors import InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.io.meshes import save_mesh
from geokit.io.photographs import save_picture
from geokit.io.safe import atomic_write, existing_file
from geokit.pipelines.colormap import viridis
from geokit.pipelines.match_pictures import own_view, panel
from geokit.pipelines.observer import Observer
from geokit.pipelines.open_shape import MESH_ENDINGS, open_shape
from geokit.spectral.geodesics import Method, geodesics

_STRIPES = 24  # over the longest distance
_TEXELS = 4096
_SEEN = 0.98  # of the texture, for what is reached; beyond it lies the grey of what is not
_GREY, _SOURCE = 0.75, (0.86, 0.16, 0.14)


@dataclass(frozen=True)
class GeodesicFile:
    """What `geodesic` made. distances: (V,). files: what was written. unreached: vertices at infinity."""

    mesh: Mesh
    distances: Tensor
    files: tuple[Path, ...]
    unreached: int
    seconds: float


def geodesic(
    mesh_file: str | Path,
    sources: Sequence[int],
    output: str | Path,
    *,
    method: Method = "fast_marching",
    picture: str | Path | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> GeodesicFile:
    """The distance of every vertex of a mesh file to the nearest of `sources`, vertices of the file.

    output: a .npz with `distances` (V,) float64, inf where no path leads, `sources` and `method`; or a mesh (.ply, ...)
    with the distance as colour. picture: a .png or .jpg of the mesh with isolines. Raises `UnreadableFile`, and
    `InvalidInput` for a file without faces, sources that are not there, endings, and where a file exists, unless
    `overwrite`.
    """
    observer, began, output = observer or Observer(), time.monotonic(), Path(output)
    if output.suffix.lower() not in (".npz", *MESH_ENDINGS):
        raise InvalidInput(f"{output} must end in .npz, or like a mesh for colours: {', '.join(MESH_ENDINGS)}")
    files = [output] if picture is None else [output, Path(picture)]
    if len(files) == 2 and files[1].suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InvalidInput(f"{files[1]} must end in .png or .jpg")
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise InvalidInput(f"{there[0]} exists already; choose another name, or replace it with --overwrite")
    path = existing_file(mesh_file, "mesh")
    observer.phase("Opening the mesh")
    opened = open_shape(path)
    mesh = opened.shape
    for message in opened.messages:
        observer.message(message)
    if not isinstance(mesh, Mesh) or not len(mesh):
        raise InvalidInput(f"{path} holds no faces, but distances run along a surface; make one with geokit mesh")
    observer.phase(f"Distances on {len(mesh.vertices):,} vertices")
    distances = geodesics(mesh, method).distances(list(sources))
    unreached = int(torch.isinf(distances).sum())
    observer.phase(f"Writing {output}")
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix.lower() == ".npz":
        with atomic_write(output) as stream:
            np.savez_compressed(
                stream, distances=distances.numpy(), sources=np.asarray(sources), method=np.asarray(method)
            )
    else:
        save_mesh(output, _plain(mesh).replace(colors=_colors(distances).to(mesh.vertices)))
    if picture is not None:
        observer.phase("Drawing")
        save_picture(files[1], geodesic_picture(mesh, distances))
    return GeodesicFile(mesh, distances, tuple(files), unreached, time.monotonic() - began)


def geodesic_picture(mesh: Mesh, distances: Tensor, width: int = 960, height: int = 720) -> Tensor:
    """(height, width, 3) the mesh coloured by distances (V,), with lines of equal distance, red about the sources."""
    striped = isoline_mesh(mesh, distances)
    return panel(striped, own_view(mesh), width, height)


def isoline_mesh(mesh: Mesh, distances: Tensor) -> Mesh:
    """The mesh with a texture of stripes that runs along distances (V,): sharp lines, however large the faces."""
    reached = torch.isfinite(distances)
    place = torch.where(reached, _SEEN * distances / _longest(distances), 1.0).clamp(0, 1)
    across = place[mesh.faces].to(mesh.vertices)
    uv = torch.stack([across, torch.full_like(across, 0.5)], 2)
    along = (torch.arange(_TEXELS) + 0.5) / _TEXELS / _SEEN
    phase = along * _STRIPES
    line = (phase - phase.round()).abs() < 0.09
    colors = viridis(along) * torch.where(line, 0.25, 1.0)[:, None]
    colors[along < 0.3 / _STRIPES] = torch.tensor(_SOURCE)
    colors[along > (1 + 1 / _SEEN) / 2] = _GREY
    return _plain(mesh).replace(uv=uv, texture=colors.expand(4, -1, -1).contiguous().to(mesh.vertices))


def _colors(distances: Tensor) -> Tensor:
    reached = torch.isfinite(distances)[:, None]
    return torch.where(reached, viridis((distances / _longest(distances)).clamp(max=1).float()), _GREY)


def _longest(distances: Tensor) -> float:
    finite = distances[torch.isfinite(distances)]
    return float(finite.max()) or 1.0


def _plain(mesh: Mesh) -> Mesh:
    return mesh.replace(uv=None, texture=None, colors=None, normals=None)
