"""Two files of shapes to a folder with their correspondence."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geokit.errors import GeokitError, InvalidInput
from geokit.geometry.mesh import Mesh
from geokit.io import save_picture
from geokit.io.meshes import save_mesh
from geokit.pipelines.landmark_file import load_landmarks
from geokit.pipelines.match_folder import MatchFolder, save_match, versions
from geokit.pipelines.match_pictures import colored, match_picture
from geokit.pipelines.observer import Observer
from geokit.pipelines.open_shape import open_shape
from geokit.pipelines.texture_transfer import transfer_texture
from geokit.spectral.matching import Match
from geokit.spectral.matching import match as find_match


@dataclass(frozen=True)
class Opened:
    """A mesh that was read: its file, a hash of its vertices and faces, and what its reader had to say."""

    path: Path
    mesh: Mesh
    digest: str
    messages: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "file": str(self.path),
            "vertices": len(self.mesh.vertices),
            "faces": len(self.mesh),
            "digest": self.digest,
            "messages": list(self.messages),
        }


def open_mesh(path: Path) -> Opened:
    """Read a mesh. Raises `InvalidInput` where the file holds anything else."""
    opened = open_shape(path)
    if not isinstance(opened.shape, Mesh) or not len(opened.shape):
        raise InvalidInput(f"{path} has no faces; match needs surfaces: make one of it with geokit mesh")
    return Opened(path, opened.shape, digest_of(opened.shape), tuple(opened.messages))


def digest_of(mesh: Mesh) -> str:
    """A hash of the vertices and faces of a mesh."""
    found = hashlib.sha256()
    for tensor in (mesh.vertices, mesh.faces):
        found.update(str(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def match_files(
    first: str | Path,
    second: str | Path,
    output: str | Path,
    *,
    landmarks: str | Path | Tensor | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Match the meshes in two files and leave in the folder `output` what `MatchFolder` lists; returns report.json.

    landmarks: a file as `load_landmarks` reads it, or (L, 2) int64. Raises `InvalidInput` where a match is there
    already, unless `overwrite`, and for shapes that cannot be matched; `UnreadableFile` for damaged files.
    """
    observer, folder, began, spent = observer or Observer(), MatchFolder(Path(output)), time.time(), time.process_time()
    folder.check(overwrite)
    pairs = load_landmarks(Path(landmarks)) if isinstance(landmarks, str | Path) else landmarks
    opened = []
    for path in (Path(first), Path(second)):
        observer.phase(f"reading {path.name}")
        opened.append(open_mesh(path))
    names = [o.path.name for o in opened]

    def say(text: str) -> None:
        observer.phase(text.replace("shape 1", names[0]).replace("shape 2", names[1]))

    try:
        found = find_match(opened[0].mesh, opened[1].mesh, landmarks=pairs, progress=say)
    except GeokitError as error:
        raise type(error)(_named(str(error), opened, landmarks)) from error
    matched = time.time() - began
    observer.phase("writing the correspondence")
    save_match(folder.arrays, found)
    files = _write_pictures(folder, found, opened, observer)
    report = make_report(found, opened, None if pairs is None else pairs.tolist(), str(landmarks))
    report["files"] = {name: str(path) for name, path in files.items()}
    report["seconds"] = {"match": matched, "all": time.time() - began, "cpu": time.process_time() - spent}
    report["peak_memory_bytes"] = peak_memory()
    folder.save_report(report)
    return report


def _named(sentence: str, opened: list[Opened], landmarks: object) -> str:
    """The sentence with the names of the files in place of the numbers of the shapes."""
    for number, one in enumerate(opened, 1):
        sentence = sentence.replace(f"shape {number}", str(one.path))
    prefix = f"{landmarks}: " if sentence.startswith("landmark") and isinstance(landmarks, str | Path) else ""
    return prefix + sentence


def _write_pictures(folder: MatchFolder, found: Match, opened: list[Opened], observer: Observer) -> dict[str, Path]:
    """Everything that is looked at, and its names."""
    observer.phase("drawing")
    meshes = colored(found)
    files = {"arrays": folder.arrays, "report": folder.report, "picture": folder.picture}
    for number, (mesh, one) in enumerate(zip(meshes, opened), 1):
        files[f"shape_{number}"] = folder.shape(number, one.path)
        save_mesh(files[f"shape_{number}"], mesh)
    textured = transfer_texture(found)
    if textured is not None:
        files["textured"] = folder.textured(opened[1].path, ".ply" if textured.uv is None else ".obj")
        save_mesh(files["textured"], textured)
    save_picture(folder.picture, match_picture(found, meshes))
    return files


def make_report(found: Match, opened: list[Opened], pairs: list[Any] | None, landmarks: str) -> dict[str, Any]:
    """What report.json says of a match, without its timings."""
    return {
        "format": FORMAT,
        "shapes": [one.as_json() for one in opened],
        "settings": {
            "landmarks": pairs,
            "landmarks_file": landmarks if pairs is not None else None,
            "eigenfunctions": list(found.functional_map.shape[::-1]),
            "matched_vertices": [len(side.shape) for side in (found.shape1, found.shape2)],
            "threads": torch.get_num_threads(),
        },
        "quality": found.quality.as_json(),
        "versions": versions(),
    }


FORMAT = "geokit match 1"


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
