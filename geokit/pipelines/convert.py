"""Splat files from one format to another."""

import warnings
from pathlib import Path

from geokit.errors import InvalidInput
from geokit.geometry import Splats
from geokit.io import load_splats, save_splats
from geokit.io.safe import existing_file
from geokit.io.splat_files import load_sound_splats
from geokit.io.splat_ply import is_splat_ply
from geokit.pipelines.run_folder import scene_file

_SPLATS = (".ply", ".splat", ".spz")
_MESHES = (".obj", ".stl", ".off", ".glb", ".gltf", ".dae", ".fbx", ".usd", ".usdz", ".3mf", ".vtk", ".vtp")
_KEEPS = {
    ".splat": "keeps positions and scales exactly, rounds colours, opacities and rotations to bytes",
    ".spz": "rounds all values (positions to 24 bits)",
}


def convert(
    source: str | Path, target: str | Path, *, drop_nonfinite: bool = False, overwrite: bool = False
) -> tuple[Splats, list[str]]:
    """Write the scene `source` (a file, or a run's folder) as `target`, its format by the ending: .ply, .splat, .spz.

    drop_nonfinite: leave out splats with NaN or infinite values or a zero rotation, which are refused otherwise.
    Returns the splats and a sentence for everything that the new file does not hold. Raises `InvalidInput` for other
    kinds of files and where `target` exists, unless `overwrite`.
    """
    source, target = scene_file(source), Path(target)
    for path in (source, target):
        _refuse_others(path)
    _refuse_points(source)
    if target.exists() and not overwrite:
        raise InvalidInput(f"{target} exists already; choose another name, or replace it with --overwrite")
    splats, bad = load_sound_splats(source) if drop_nonfinite else (load_splats(source), 0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        save_splats(target, splats)
    lost = [str(warning.message) for warning in caught]
    if bad:
        lost.append(f"{bad} of {bad + len(splats)} splats had NaN or infinite values or a zero rotation, left out")
    ending = target.suffix.lower()
    if ending in _KEEPS and ending != source.suffix.lower():
        lost.append(f"{ending} {_KEEPS[ending]}")
    return splats, lost


def _refuse_others(path: Path) -> None:
    ending = path.suffix.lower()
    if ending in _MESHES:
        raise InvalidInput(
            f"{path} is a mesh, and meshes are not in this version of geokit; it converts splat files: "
            f"{', '.join(_SPLATS)}"
        )
    if ending not in _SPLATS:
        raise InvalidInput(f"{path} does not end like a splat file; the formats are {', '.join(_SPLATS)}")


def _refuse_points(path: Path) -> None:
    if path.suffix.lower() == ".ply" and not is_splat_ply(existing_file(path, "splat file")):
        raise InvalidInput(
            f"{path} is a mesh or a point cloud without splat properties (opacity, scale_0, rot_0, ...), which this "
            "version of geokit does not convert; name a splat file"
        )
