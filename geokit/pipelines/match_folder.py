"""The folder that a match leaves: which file is where, and what is in match.npz."""

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import geokit
from geokit.errors import InvalidInput, UnreadableFile
from geokit.io.safe import atomic_write, existing_file, read_bytes
from geokit.spectral.matching import Match


@dataclass(frozen=True)
class MatchFolder:
    """The files of one match in the folder `root`."""

    root: Path

    @property
    def arrays(self) -> Path:
        """p2p_12, p2p_21, functional_map and so on, under the names of the attributes of `Match`."""
        return self.root / "match.npz"

    @property
    def report(self) -> Path:
        """Quality, settings, timings and versions; written last."""
        return self.root / "report.json"

    @property
    def picture(self) -> Path:
        """Both shapes from both sides, in colours carried from one to the other."""
        return self.root / "match.png"

    def shape(self, number: int, source: Path) -> Path:
        """Shape 1 or 2 in these colours."""
        return self.root / f"{number}_{source.stem}.ply"

    def textured(self, source: Path, ending: str) -> Path:
        """Shape 2 with the texture or the colours of shape 1."""
        return self.root / f"2_{source.stem}_textured{ending}"

    def check(self, overwrite: bool) -> None:
        """Raise `InvalidInput` where a match is there already, or a file in place of the folder."""
        if self.root.exists() and not self.root.is_dir():
            raise InvalidInput(f"{self.root} is a file, but the output is a folder; choose another name")
        there = [file.name for file in (self.arrays, self.report, self.picture) if file.exists()]
        if there and not overwrite:
            raise InvalidInput(
                f"{self.root} already holds {there[0]}; choose another folder, or replace it with --overwrite"
            )

    def load_report(self) -> dict[str, Any]:
        """Read report.json; `UnreadableFile` when it is not one."""
        try:
            report = json.loads(read_bytes(self.report, "report.json of a match"))
        except (ValueError, RecursionError) as error:
            raise UnreadableFile(f"{self.report} is damaged ({error}); remove it, or use --overwrite") from error
        if not isinstance(report, dict):
            raise UnreadableFile(f"{self.report} is no report of a match; remove it, or use --overwrite")
        return report

    def save_report(self, report: dict[str, Any]) -> None:
        """Write report.json, atomically."""
        with atomic_write(self.report) as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())


def save_match(path: Path, match: Match) -> None:
    """Write the arrays of a match as a .npz, atomically, under the names of its attributes.

    p2p_12 (N1,), p2p_21 (N2,) int64; functional_map, functional_map_21, eigenvalues_1, eigenvalues_2 float64;
    precise_faces_12, precise_faces_21 int64 and precise_barycentrics_12, precise_barycentrics_21 float32 (N, 3).
    """
    arrays = {
        "p2p_12": match.p2p_12,
        "p2p_21": match.p2p_21,
        "functional_map": match.functional_map,
        "functional_map_21": match.functional_map_21,
        "eigenvalues_1": match.shape1.shape.basis.eigenvalues,
        "eigenvalues_2": match.shape2.shape.basis.eigenvalues,
    }
    for name, precise in (("12", match.precise_12), ("21", match.precise_21)):
        arrays[f"precise_faces_{name}"] = precise.face_ids
        arrays[f"precise_barycentrics_{name}"] = precise.barycentrics.float()
    with atomic_write(path) as file:
        np.savez_compressed(file, allow_pickle=False, **{name: tensor.numpy() for name, tensor in arrays.items()})


def load_match(path: str | Path) -> dict[str, Tensor]:
    """The arrays that `save_match` wrote, by name. Raises `UnreadableFile` for anything else."""
    found = load_arrays(path)
    if not {"p2p_12", "p2p_21", "functional_map"} <= set(found):
        raise UnreadableFile(f"{path} holds no match (it holds {', '.join(found) or 'nothing'}); make it again")
    return found


def load_arrays(path: str | Path) -> dict[str, Tensor]:
    """The arrays of numbers in any .npz, by name. Raises `UnreadableFile` for a damaged one and anything else."""
    path = existing_file(path, "match.npz")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as error:  # zip, zlib and NumPy's header each have their own
        raise UnreadableFile(f"{path} is no match.npz, or damaged ({error}); make it again") from error


def versions() -> dict[str, str]:
    """Of what the result depends on."""
    return {
        "geokit": geokit.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
