"""What `geokit match` left in a folder, as layers: one pair, or a collection of which one pair is shown at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geokit.errors import GeokitError, UnreadableFile
from geokit.pipelines.match import open_mesh
from geokit.pipelines.match_folder import MatchFolder
from geokit.pipelines.match_words import verdict

from .layers.correspondences import CorrespondencesLayer
from .layers.layer import Layer
from .layers.mesh import MeshLayer
from .matching import map_layers


def is_match(path: Path) -> bool:
    """Is it the folder of one match?"""
    folder = MatchFolder(path)
    return folder.arrays.is_file() and folder.report.is_file()


@dataclass(frozen=True)
class Collection:
    """The matches in the folder of a collection: what a user calls each, and its folder."""

    folders: dict[str, Path]

    @staticmethod
    def of(root: Path) -> Collection | None:
        """The finished matches below `root`, in the order of their names; None without any."""
        found = {folder.name.replace("__", " and "): folder for folder in sorted(root.iterdir()) if is_match(folder)}
        return Collection(found) if found else None

    def layers(self, pair: str) -> list[Layer]:
        """The layers of one pair, which know of the others."""
        layers = match_layers(self.folders[pair])
        (shown,) = (layer for layer in layers if isinstance(layer, CorrespondencesLayer))
        shown.collection, shown.pair = self, pair
        return layers


def folder_layers(path: Path) -> list[Layer] | None:
    """The layers of a folder that `geokit match` made, of one pair or of many; None for any other folder."""
    try:
        one, collection = is_match(path), Collection.of(path)
    except OSError:  # what cannot be looked into is for others to tell of
        return None
    if one:
        return match_layers(path)
    if collection is None:
        return None
    problem: GeokitError | None = None
    for pair in collection.folders:
        try:
            return collection.layers(pair)
        except GeokitError as error:  # one pair that cannot be shown does not hide the others
            problem = problem or error
    assert problem is not None
    raise problem


def match_layers(path: Path, truth: Sequence[Path] | None = None) -> list[Layer]:
    """The layers of the folder of one match, with what its report says of it.

    Raises `UnreadableFile` where a file of it is damaged or a shape is gone or has changed since.
    """
    folder = MatchFolder(path)
    report = folder.load_report()
    try:
        shapes = [(Path(shape["file"]), shape["digest"]) for shape in report["shapes"]]
        note = verdict(report["quality"])
        first, second = (_shape(folder, number, *shape) for number, shape in enumerate(shapes, 1))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableFile(f"{folder.report} is no report of a match ({error!r}); match again") from error
    return map_layers(first, second, folder.arrays, truth or None, note)


def _shape(folder: MatchFolder, number: int, source: Path, digest: Any) -> MeshLayer:
    """Shape 1 or 2: the coloured one that the folder holds, or else the file that was matched."""
    own = folder.shape(number, source)
    if own.is_file():
        # Its colours are those of this map: the layer of the map gives them, and can take them away.
        return MeshLayer(source.stem, open_mesh(own).mesh.replace(colors=None), own)
    if not source.is_file():
        raise UnreadableFile(
            f"{source}, a shape of the match in {folder.root}, is not there; put it back, or name where both are now: "
            f"geokit view A B --map {folder.arrays}"
        )
    opened = open_mesh(source)
    if opened.digest != digest:
        raise UnreadableFile(f"{source} is another shape than was matched in {folder.root}; match again")
    return MeshLayer(source.stem, opened.mesh, source)
