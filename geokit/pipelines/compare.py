"""Two shapes against each other: figures, a coloured error shape and a histogram."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.errors import GeokitError, InvalidInput
from geokit.geometry import PointCloud, Splats
from geokit.geometry.mesh import Mesh
from geokit.geometry.metrics import SurfaceComparison, compare_surfaces, errors_at_vertices
from geokit.io.meshes import save_mesh
from geokit.io.photographs import save_picture
from geokit.io.point_clouds import save_points
from geokit.io.safe import atomic_write
from geokit.pipelines.colormap import viridis
from geokit.pipelines.histogram import draw_histogram
from geokit.pipelines.observer import Observer
from geokit.pipelines.open_shape import open_shape

_DERIVED = (
    *("chamfer", "chamfer_squared", "f_score", "precision", "recall", "hausdorff", "percentile_95"),
    *("normal_consistency", "signed_normal_consistency"),
)
_SHOWN = 0.99  # share of the errors that the colours span: single outliers would make all else dark


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. first, second: a line about each. figures: of `compare_surfaces`. files: what was written.

    ceiling: the distance that the brightest colour stands for, where errors were coloured.
    """

    first: str
    second: str
    figures: SurfaceComparison
    files: tuple[Path, ...] = ()
    ceiling: float | None = None
    messages: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values, the derived figures among them."""
        figures = {name: getattr(self.figures, name) for name in _DERIVED}
        told = {"first": self.first, "second": self.second, **figures, **asdict(self.figures)}
        return told | {"files": [str(file) for file in self.files], "ceiling": self.ceiling}


def compare(
    first: str | Path,
    second: str | Path,
    output: str | Path | None = None,
    *,
    count: int = 100_000,
    threshold: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Comparison:
    """Compare the mesh or cloud in `first` with the reference in `second`; both in one frame and unit.

    count, threshold, seed: as for `compare_surfaces`. output: a folder for errors_first.ply and errors_second.ply (the
    shapes, coloured by the distance to the other), histogram.png and comparison.json.
    Raises `InvalidInput` for splats, for empty shapes and where the output exists, unless `overwrite`.
    """
    observer = observer or Observer()
    folder = None if output is None else Path(output)
    if folder is not None:
        _check_output(folder, overwrite)
    shapes, messages = [], []
    for path in (Path(first), Path(second)):
        observer.phase(f"reading {path.name}")
        opened = open_shape(path)
        if isinstance(opened.shape, Splats):
            raise InvalidInput(f"{path} holds splats; compare surfaces: make one of them with geokit mesh first")
        shapes.append(opened.shape)
        messages += [f"{path.name}: {message}" for message in opened.messages]
    observer.phase("measuring")
    figures = compare_surfaces(shapes[0], shapes[1], count=count, threshold=threshold, seed=seed)
    told = (_described(Path(first), shapes[0]), _described(Path(second), shapes[1]))
    if folder is None:
        return Comparison(*told, figures, messages=tuple(messages))
    observer.phase("drawing")
    errors = [errors_at_vertices(shapes[0], shapes[1]), errors_at_vertices(shapes[1], shapes[0])]
    ceiling = _ceiling(torch.cat([e.double() for e in errors]))
    files = tuple(folder / name for name in _FILES)
    for path, shape, error in zip(files, shapes, errors):
        save_errors(path, shape, error, ceiling)
    names = (Path(first).name, Path(second).name)
    titles = [_title(a, b, shape) for (a, b), shape in zip((names, names[::-1]), shapes)]
    save_picture(files[2], draw_histogram(list(zip(titles, errors)), ceiling, figures.threshold))
    done = Comparison(*told, figures, files, ceiling, tuple(messages))
    with atomic_write(files[3]) as file:
        file.write((json.dumps(done.as_json(), indent=2) + "\n").encode())
    return done


_FILES = ("errors_first.ply", "errors_second.ply", "histogram.png", "comparison.json")


def _check_output(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file, but a folder is wanted; choose another name")
    there = [name for name in _FILES if (folder / name).exists()]
    if there and not overwrite:
        raise InvalidInput(f"{folder} holds {there[0]} already; choose another folder, or replace it with --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GeokitError(f"{folder} cannot be made ({error.strerror}); choose another folder") from error


def _title(name: str, other: str, shape: Mesh | PointCloud) -> str:
    return f"from {name} to {other}, at its {'vertices' if isinstance(shape, Mesh) else 'points'}"


def _described(path: Path, shape: Mesh | PointCloud) -> str:
    if isinstance(shape, Mesh):
        return f"{path.name}: mesh, {len(shape.vertices):,} vertices, {len(shape):,} faces"
    return f"{path.name}: {len(shape):,} points"


def _ceiling(errors: Tensor) -> float:
    """What 99 % of the errors do not exceed; something positive for equal shapes."""
    rank = min(int(_SHOWN * len(errors)) + 1, len(errors))
    return float(errors.sort().values[rank - 1]) or float(errors.max()) or 1.0


def save_errors(path: Path, shape: Mesh | PointCloud, errors: Tensor, ceiling: float) -> None:
    """The shape with colours from dark violet (no error) over green to yellow (`ceiling` and more)."""
    places = shape.vertices if isinstance(shape, Mesh) else shape.points
    colors = viridis((errors / ceiling).float()).to(places.dtype)
    if isinstance(shape, Mesh):
        save_mesh(path, Mesh(shape.vertices, shape.faces, colors=colors))
    else:
        save_points(path, PointCloud(shape.points, colors))
