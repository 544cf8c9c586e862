"""Meshes, points and splats from one format to another."""

import warnings
from pathlib import Path

import torch

from geokit.errors import InvalidInput
from geokit.geometry import PointCloud, Splats
from geokit.geometry.mesh import Mesh
from geokit.geometry.splats import SH_C0
from geokit.io import save_splats
from geokit.io.meshes import lost_of_mesh, mesh_files, save_mesh
from geokit.io.point_clouds import POINT_ENDINGS, lost_in, save_points
from geokit.pipelines.open_shape import SPLAT_ENDINGS, open_shape
from geokit.pipelines.run_folder import scene_file

_MESHES = (".ply", ".obj", ".stl", ".off", ".glb")
_KEEPS = {
    ".splat": "keeps positions and scales exactly, rounds colours, opacities and rotations to bytes",
    ".spz": "rounds all values (positions to 24 bits)",
}
_WORDS = {
    "normals": "vertex normals",
    "colors": "colours",
    "uv": "texture coordinates",
    "texture": "texture",
    "features": "other scalars",
}
Shape = Mesh | PointCloud | Splats


def convert(
    source: str | Path, target: str | Path, *, drop_nonfinite: bool = False, overwrite: bool = False
) -> tuple[Shape, list[str]]:
    """Write the shape in `source` (a file, or a run's folder) as `target`, in the format of its ending.

    Meshes become meshes, or points (their vertices) where the ending is one of points; splats become splats, or points
    (their centres, coloured) where the ending is one of points alone; points stay points. drop_nonfinite: leave out
    what is NaN or infinite, which is refused otherwise.

    Returns what was written and a sentence for everything that the new file does not hold. Raises `InvalidInput` where
    the ending cannot hold the shape and where `target` exists, unless `overwrite`.
    """
    source, target = scene_file(source), Path(target)
    check_target(target, overwrite)
    opened = open_shape(source, drop_nonfinite)
    check_free(opened.shape, target, overwrite)
    shape, lost = write_shape(opened.shape, source, target, opened.feature_names)
    messages = opened.messages
    if opened.dropped:
        total = opened.dropped + len(opened.shape)
        messages = [f"{opened.dropped} of {total} splats had NaN or infinite values or a zero rotation, left out"]
    return shape, [*messages, *lost]


def check_target(target: Path, overwrite: bool) -> None:
    """Raise `InvalidInput` for an ending that is no format of a shape, and for a file that is there already."""
    known = tuple(dict.fromkeys((*_MESHES, *POINT_ENDINGS, *SPLAT_ENDINGS)))
    if target.suffix.lower() not in known:
        raise InvalidInput(
            f"{target} does not end like a file of a shape that geokit writes; the formats are {', '.join(known)}"
        )
    _check_missing([target], overwrite)


def check_free(shape: Shape, target: Path, overwrite: bool) -> None:
    """Raise `InvalidInput` where one of `files_of` the shape is there already, unless `overwrite`."""
    _check_missing(files_of(shape, target), overwrite)


def files_of(shape: object, target: Path) -> list[Path]:
    """The files that a shape becomes as `target`: an .obj has its texture beside it."""
    return mesh_files(target, shape) if isinstance(shape, Mesh) else [target]


def _check_missing(files: list[Path], overwrite: bool) -> None:
    there = [file for file in files if file.exists()]
    if there and not overwrite:
        raise InvalidInput(f"{there[0]} exists already; choose another name, or replace it with --overwrite")


def formats_of(shape: Shape) -> tuple[str, ...]:
    """The endings that can hold the shape, as itself or as its points; the most telling ones first."""
    if isinstance(shape, Splats):
        own: tuple[str, ...] = (".ply", *SPLAT_ENDINGS)
    else:
        own = _MESHES if isinstance(shape, Mesh) and len(shape) else (".ply",)
    return tuple(dict.fromkeys((*own, *POINT_ENDINGS)))


def write_shape(shape: Shape, source: Path, target: Path, feature_names: list[str]) -> tuple[Shape, list[str]]:
    """Write a shape as the ending of `target` can hold it; what was written, and a sentence for all that was not.

    source: where the shape comes from, for messages. Raises `InvalidInput` where the ending cannot hold it.
    """
    fitting, lost = _fitting(shape, source, target)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(fitting, Splats):
            save_splats(target, fitting)
        elif isinstance(fitting, Mesh):
            save_mesh(target, fitting)
        else:
            save_points(target, fitting, feature_names if fitting.features is not None else [])
    told = [str(warning.message) for warning in caught] if isinstance(fitting, Splats) else []
    return fitting, [*lost, *told, *_rounded(fitting, source, target)]


def _fitting(shape: Shape, source: Path, target: Path) -> tuple[Shape, list[str]]:
    """The shape as the ending of `target` can hold it, and what that loses."""
    ending = target.suffix.lower()
    if isinstance(shape, Splats):
        if ending in (".ply", *SPLAT_ENDINGS):
            return shape, []
        if ending in _MESHES:
            raise InvalidInput(f"{source} holds splats, which have no faces; make a surface of them with geokit mesh")
        return _within(
            ending,
            centres(shape),
            [f"{ending} holds points: of {len(shape):,} splats only centres and colours are kept"],
        )
    if ending in SPLAT_ENDINGS:
        kind = "a mesh" if isinstance(shape, Mesh) else "points"
        raise InvalidInput(f"{source} holds {kind}, but {ending} is a format of splats; choose another ending for B")
    if isinstance(shape, Mesh) and ending in _MESHES:
        names = [_WORDS[name] for name in lost_of_mesh(ending, shape)]
        return shape, [f"{ending} holds no {_listed(names)}"] if names else []
    if isinstance(shape, Mesh):
        names = ["faces"] if len(shape) else []
        names += ["texture"] if shape.texture is not None else []
        lost = [f"{ending} holds points: {_listed(names)} of the mesh are left out"] if names else []
        return _within(ending, PointCloud(shape.vertices, shape.colors, shape.normals), lost)
    if ending in _MESHES and ending != ".ply":
        raise InvalidInput(
            f"{source} holds points without faces, but {ending} is a format of meshes; make a surface of them with "
            "geokit mesh, or choose a format of points"
        )
    return _within(ending, shape, [])


def _within(ending: str, cloud: PointCloud, lost: list[str]) -> tuple[PointCloud, list[str]]:
    names = [_WORDS[name] for name in lost_in(ending, cloud)]
    return cloud, [*lost, *([f"{ending} holds no {_listed(names)}"] if names else [])]


def centres(splats: Splats) -> PointCloud:
    """The centres of splats with the colours they have from all sides (spherical harmonics of degree 0)."""
    return PointCloud(splats.means, (0.5 + SH_C0 * splats.sh_coeffs[:, 0]).clamp(0, 1))


def _rounded(shape: Shape, source: Path, target: Path) -> list[str]:
    """What the format does to numbers."""
    ending = target.suffix.lower()
    if isinstance(shape, Splats):
        return [f"{ending} {_KEEPS[ending]}"] if ending in _KEEPS and ending != source.suffix.lower() else []
    double = (shape.vertices if isinstance(shape, Mesh) else shape.points).dtype == torch.float64
    if double and ending in (".stl", ".glb"):
        return [f"{ending} holds single precision: coordinates keep about seven digits"]
    if ending in (".las", ".laz") and source.suffix.lower() not in (".las", ".laz"):
        return [f"{ending} rounds coordinates to decimal steps, of a thousandth of the unit where the extent allows it"]
    if ending == ".glb" and isinstance(shape, Mesh) and shape.uv is not None:
        return [f"{ending} has one place in the texture a vertex: vertices are doubled along its seams"]
    return []


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
